"""Find figures that look wrong."""

from collections.abc import Callable, Iterator
from typing import Any

from shards.report.source import NOT_STATED

Concern = tuple[str, str, str]
"""Level ("wrong": the set should not be used as it is; "look": to be reviewed), text, and path of the figure."""


def find_concerns(figures: dict[str, Any]) -> list[dict[str, str]]:
    """Find all concerns about these figures, "wrong" first: level, text, figure (its dotted path)."""
    found = [concern for rule in _RULES for concern in rule(figures)]
    found.sort(key=lambda concern: concern[0] != "wrong")
    return [{"level": level, "text": text, "figure": figure} for level, text, figure in found]


def _check_accounting(figures: dict[str, Any]) -> Iterator[Concern]:
    for number, text in enumerate(figures["funnel"]["law"]["broken"]):
        yield "wrong", f"The counts do not add up at {text}.", f"funnel.law.broken.{number}"


def _check_shards(figures: dict[str, Any]) -> Iterator[Concern]:
    shards = figures["shards"]
    for check in ("missing", "wrong size", "wrong sha256"):
        names = [row["name"] for row in shards["rows"] if row["check"] == check]
        if names:
            yield "wrong", f"Shards that differ from dataset.json, {check}: {_format_names(names)}.", "shards.unsound"
    if shards["miscounted"]:
        yield (
            "wrong",
            f"The index and dataset.json count differently in {_format_count(shards['miscounted'], 'shard')}.",
            "shards.miscounted",
        )
    if shards["outliers"]:
        names = [row["name"] for row in shards["rows"] if row["outliers"]]
        yield (
            "look",
            f"Shards that are outliers: {_format_names(names)}.",
            "shards.outliers",
        )


def _check_size(figures: dict[str, Any]) -> Iterator[Concern]:
    head = figures["headline"]
    if not head["samples"]:
        yield "wrong", "The set holds no sample.", "headline.samples"
    elif head["clips_kept_share"] is not None and head["clips_kept_share"] < 0.2:
        yield (
            "look",
            f"Only {_format_percent(head['clips_kept_share'])} of the clips were kept.",
            "headline.clips_kept_share",
        )
    if head["faulted"]:
        yield (
            "wrong",
            f"Failed by an error of the pipeline, not for their content: {_format_count(head['faulted'], 'unit')}.",
            "headline.faulted",
        )
    if head["sources"] > 1 and (head["largest_video_share"] or 0) > 0.5:
        yield (
            "look",
            f"One video gives {_format_percent(head['largest_video_share'])} of all hours.",
            "headline.largest_video_share",
        )


def _check_reasons(figures: dict[str, Any]) -> Iterator[Concern]:
    for reason, row in figures["reasons"].items():
        for unit in ("videos", "clips"):
            if row[f"share_of_{unit}"] > 0.5:
                name = reason.replace("_", " ")
                yield (
                    "look",
                    f"The reason {name!r} drops {_format_percent(row[f'share_of_{unit}'])} of all {unit}.",
                    f"reasons.{reason}.share_of_{unit}",
                )


def _check_categories(figures: dict[str, Any]) -> Iterator[Concern]:
    groups = figures["categories"]["groups"]
    if groups.keys() == {NOT_STATED}:
        yield "look", "No sample has a category.", "categories.count"
        return
    small = [name for name, row in groups.items() if row["samples"] < 10]
    if small:
        what = f"{len(small)} of {_format_count(len(groups), 'category', 'categories')} have fewer than 10 samples"
        yield "look", f"{what}: {_format_names(small)}.", "categories.count"


def _check_captions(figures: dict[str, Any]) -> Iterator[Concern]:
    captions = figures["captions"]
    if captions["count"] and captions["empty"] / captions["count"] > 0.01:
        yield "look", f"Clips with an empty caption: {captions['empty']:,}.", "captions.empty"
    if captions["count"] >= 10 and (captions["distinct_share"] or 0) < 0.5:
        yield (
            "look",
            f"The captions are repetitive: {captions['distinct']} distinct ones for {captions['count']} clips.",
            "captions.distinct_share",
        )
    elif captions["count"] >= 10 and (captions["near_duplicate_share"] or 0) > 0.3:
        yield (
            "look",
            f"{_format_percent(captions['near_duplicate_share'])} of the captions are near-duplicates.",
            "captions.near_duplicate_share",
        )


def _check_rights(figures: dict[str, Any]) -> Iterator[Concern]:
    rights = figures["rights"]
    if rights["read"] and not rights["licence_stated"]:
        yield (
            "look",
            "No clip states the licence of its source: add it to the column of the manifest.",
            "rights.licence_stated",
        )
    elif rights["read"] and rights["licence_stated_share"] < 1:
        missing = rights["read"] - rights["licence_stated"]
        yield "look", f"Clips without a licence: {missing:,} of {rights['read']:,}.", "rights.licence_stated_share"
    sources = rights["sources"]
    top = next(iter(sources["groups"].items()), None)
    if sources["count"] > 1 and top and (top[1]["share_of_hours"] or 0) > 0.5:
        yield (
            "look",
            f"One source, {top[0]}, gives {_format_percent(top[1]['share_of_hours'])} of all hours.",
            "rights.sources.count",
        )


def _check_splits(figures: dict[str, Any]) -> Iterator[Concern]:
    splits = figures["splits"]
    empty = [name for name, row in splits["groups"].items() if not row["samples"]]
    if empty:
        yield "look", f"Empty splits: {', '.join(empty)}.", f"splits.groups.{empty[0]}.samples"
    if splits["shared_videos"]:
        shared = f"Videos in more than one split: {splits['shared_videos']:,}; test data is also training data."
        yield "wrong", shared, "splits.shared_videos"


def _check_motion(figures: dict[str, Any]) -> Iterator[Concern]:
    motion = figures["motion"]
    confidence, valid = motion["confidence"]["median"], motion["valid_frames_share"]
    if confidence is not None and confidence < 0.5:
        yield "look", f"The motion's median confidence is {confidence:.2f}.", "motion.confidence.median"
    if valid is not None and valid < 0.9:
        yield "look", f"Only {_format_percent(valid)} of the frames have a valid pose.", "motion.valid_frames_share"
    if motion["diversity"]["mean_distance_mm"] is not None and motion["diversity"]["mean_distance_mm"] < 60:
        yield "look", "The poses are nearly all alike.", "motion.diversity.mean_distance_mm"


def _check_ledger(figures: dict[str, Any]) -> Iterator[Concern]:
    if not figures["dataset"]["complete"]:
        yield (
            "look",
            "The ledger is missing: the scores of rejected clips are not known, only their reasons.",
            "dataset.complete",
        )


def _check_duplicates(figures: dict[str, Any]) -> Iterator[Concern]:
    if figures["duplicates"]["mode"] == "off":
        yield "look", "Near-duplicates were not searched: dedup.near is off.", "duplicates.near"


def _check_training(figures: dict[str, Any]) -> Iterator[Concern]:
    training = figures["training"]
    if training["used_share"] is not None and training["used_share"] < 0.9:
        reasons = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in training["left_out"].items())
        yield (
            "look",
            f"Training will leave out {_format_count(training['left_out_count'], 'sample')}: {reasons}.",
            "training.left_out_count",
        )


def _format_count(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _format_percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _format_names(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


_RULES: tuple[Callable[[dict[str, Any]], Iterator[Concern]], ...] = (
    _check_accounting, _check_shards, _check_size, _check_reasons, _check_rights, _check_splits, _check_categories,
    _check_captions, _check_motion, _check_duplicates, _check_training, _check_ledger,
)  # fmt: skip

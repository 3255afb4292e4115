"""What looks wrong in the figures, in words."""

from collections.abc import Callable, Iterator
from typing import Any

from shards.report.source import NOT_STATED

Concern = tuple[str, str, str]
"""How grave ("wrong": the set should not be used as it is; "look": somebody should look), what, and which figure."""


def concerns(figures: dict[str, Any]) -> list[dict[str, str]]:
    """Every concern about these figures, the grave ones first: level, text, figure (its dotted path)."""
    found = [concern for rule in _RULES for concern in rule(figures)]
    found.sort(key=lambda concern: concern[0] != "wrong")
    return [{"level": level, "text": text, "figure": figure} for level, text, figure in found]


def _law(figures: dict[str, Any]) -> Iterator[Concern]:
    for number, text in enumerate(figures["funnel"]["law"]["broken"]):
        yield "wrong", f"The counts do not add up at {text}.", f"funnel.law.broken.{number}"


def _shards(figures: dict[str, Any]) -> Iterator[Concern]:
    shards = figures["shards"]
    for check in ("missing", "wrong size", "wrong sha256"):
        names = [row["name"] for row in shards["rows"] if row["check"] == check]
        if names:
            yield "wrong", f"Shards that are not what dataset.json says, {check}: {_some(names)}.", "shards.unsound"
    if shards["miscounted"]:
        yield (
            "wrong",
            f"The index and dataset.json count differently in {_of(shards['miscounted'], 'shard')}.",
            "shards.miscounted",
        )
    if shards["outliers"]:
        names = [row["name"] for row in shards["rows"] if row["outliers"]]
        yield (
            "look",
            f"Shards that stand out from the others: {_some(names)}.",
            "shards.outliers",
        )


def _size(figures: dict[str, Any]) -> Iterator[Concern]:
    head = figures["headline"]
    if not head["samples"]:
        yield "wrong", "The set holds no sample.", "headline.samples"
    elif head["clips_kept_share"] is not None and head["clips_kept_share"] < 0.2:
        yield (
            "look",
            f"Only {_percent(head['clips_kept_share'])} of the clips were kept.",
            "headline.clips_kept_share",
        )
    if head["faulted"]:
        yield (
            "wrong",
            f"Failed on our side, not for what they hold: {_of(head['faulted'], 'unit')}.",
            "headline.faulted",
        )
    if head["sources"] > 1 and (head["largest_video_share"] or 0) > 0.5:
        yield (
            "look",
            f"One video gives {_percent(head['largest_video_share'])} of all hours.",
            "headline.largest_video_share",
        )


def _reasons(figures: dict[str, Any]) -> Iterator[Concern]:
    for reason, row in figures["reasons"].items():
        for unit in ("videos", "clips"):
            if row[f"share_of_{unit}"] > 0.5:
                yield (
                    "look",
                    f"One reason, {reason.replace('_', ' ')}, drops {_percent(row[f'share_of_{unit}'])} of all {unit}.",
                    f"reasons.{reason}.share_of_{unit}",
                )


def _categories(figures: dict[str, Any]) -> Iterator[Concern]:
    groups = figures["categories"]["groups"]
    if groups.keys() == {NOT_STATED}:
        yield "look", "No sample has a category.", "categories.count"
        return
    small = [name for name, row in groups.items() if row["samples"] < 10]
    if small:
        what = f"{len(small)} of {_of(len(groups), 'category', 'categories')} have fewer than 10 samples"
        yield "look", f"{what}: {_some(small)}.", "categories.count"


def _captions(figures: dict[str, Any]) -> Iterator[Concern]:
    captions = figures["captions"]
    if captions["count"] and captions["empty"] / captions["count"] > 0.01:
        yield "look", f"Clips with an empty caption: {captions['empty']:,}.", "captions.empty"
    if captions["count"] >= 10 and (captions["distinct_share"] or 0) < 0.5:
        yield (
            "look",
            f"The captions repeat themselves: {captions['distinct']} different ones for {captions['count']} clips.",
            "captions.distinct_share",
        )
    elif captions["count"] >= 10 and (captions["near_duplicate_share"] or 0) > 0.3:
        yield (
            "look",
            f"{_percent(captions['near_duplicate_share'])} of the captions say nearly what another one says.",
            "captions.near_duplicate_share",
        )


def _rights(figures: dict[str, Any]) -> Iterator[Concern]:
    rights = figures["rights"]
    if rights["read"] and not rights["licence_stated"]:
        yield (
            "look",
            "No clip says under which licence its source stands: the manifest has a column for it.",
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
            f"One source, {top[0]}, gives {_percent(top[1]['share_of_hours'])} of all hours.",
            "rights.sources.count",
        )


def _splits(figures: dict[str, Any]) -> Iterator[Concern]:
    splits = figures["splits"]
    empty = [name for name, row in splits["groups"].items() if not row["samples"]]
    if empty:
        yield "look", f"Empty splits: {', '.join(empty)}.", f"splits.groups.{empty[0]}.samples"
    if splits["shared_videos"]:
        shared = f"Videos in more than one split: {splits['shared_videos']:,}; what is tested was trained on."
        yield "wrong", shared, "splits.shared_videos"


def _motion(figures: dict[str, Any]) -> Iterator[Concern]:
    motion = figures["motion"]
    confidence, valid = motion["confidence"]["median"], motion["valid_frames_share"]
    if confidence is not None and confidence < 0.5:
        yield "look", f"The motion's median confidence is {confidence:.2f}.", "motion.confidence.median"
    if valid is not None and valid < 0.9:
        yield "look", f"Only {_percent(valid)} of the frames have a valid pose.", "motion.valid_frames_share"
    if motion["diversity"]["mean_distance_mm"] is not None and motion["diversity"]["mean_distance_mm"] < 60:
        yield "look", "The poses are nearly all alike.", "motion.diversity.mean_distance_mm"


def _bars(figures: dict[str, Any]) -> Iterator[Concern]:
    if not figures["dataset"]["complete"]:
        yield (
            "look",
            "The ledger is gone: of rejected clips the scores are not known, only what dropped them.",
            "dataset.complete",
        )


def _duplicates(figures: dict[str, Any]) -> Iterator[Concern]:
    if figures["duplicates"]["mode"] == "off":
        yield "look", "Nobody looked for near-duplicates: dedup.near is off.", "duplicates.near"


def _training(figures: dict[str, Any]) -> Iterator[Concern]:
    training = figures["training"]
    if training["used_share"] is not None and training["used_share"] < 0.9:
        reasons = ", ".join(f"{name.replace('_', ' ')} {number}" for name, number in training["left_out"].items())
        yield (
            "look",
            f"Training will leave out {_of(training['left_out_count'], 'sample')}: {reasons}.",
            "training.left_out_count",
        )


def _of(number: int, one: str, many: str = "") -> str:
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def _some(names: list[str]) -> str:
    return ", ".join(names[:6]) + (f" and {len(names) - 6} more" if len(names) > 6 else "")


_RULES: tuple[Callable[[dict[str, Any]], Iterator[Concern]], ...] = (
    _law, _shards, _size, _reasons, _rights, _splits, _categories, _captions, _motion, _duplicates, _training, _bars,
)  # fmt: skip

"""Under any thresholds the explorer gives every clip the verdict of a build."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humove.config.thresholds import StageThresholds
from humove.errors import UserError
from humove.near_duplicates.index import DedupConfig, NearDuplicateIndex
from pipelines.config import BuildConfig, make_config
from shards.clips_table import SCORE, ClipTable
from shards.explorer.funnel import make_funnel_document
from shards.explorer.selection import OUTCOMES, Selector, find_missed_threshold
from tests.builds import STAGE_THRESHOLDS
from tests.shards.explorer.tables import SCALE, STEPS, WHOLE, make_clips, make_table

JUDGES = {stage.stage: stage.judge for stage in STAGE_THRESHOLDS}
THRESHOLDS = [threshold for stage in STAGE_THRESHOLDS for threshold in stage.thresholds]

shares = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.001, 0.999))
changes = st.dictionaries(st.sampled_from(THRESHOLDS), shares, max_size=6).map(
    lambda chosen: {
        threshold.setting: max(1, round(share * SCALE[threshold.score])) if threshold.setting in WHOLE
        else max(share, 0.001) * SCALE.get(threshold.score, 1.0)
        for threshold, share in chosen.items()
    }
)  # fmt: skip


def judge_clip(row: pd.Series, config: BuildConfig) -> tuple[str, str, str]:
    """Return (outcome, stage, reason) by the build's own judges, before near duplicates."""
    scores = {n.removeprefix(SCORE): float(v) for n, v in row.items() if n.startswith(SCORE) and not np.isnan(v)}
    for place, step in enumerate(STEPS):
        if place > STEPS.index(row["reached"]):
            return "open", step, ""
        if row["stopped"] == step:
            return "rejected", step, row["stopped_reason"]
        if step in JUDGES and not config.score_only:
            reject = JUDGES[step](scores, getattr(config, step))
            if reject is not None:
                return "rejected", step, str(reject.reason)
    return "kept", "near_duplicates", ""


def settle_clips(clips: pd.DataFrame, config: BuildConfig) -> list[tuple[str, str, str]]:
    """Return every clip's verdict, with near duplicates settled batch by batch as in assembly."""
    verdicts = [judge_clip(row, config) for _, row in clips.iterrows()]
    index = NearDuplicateIndex(config.dedup.max_distance)
    for batch in sorted(set(clips["batch"])):
        found = [
            (-row["width"] * row["height"], row["clip_id"], row["signature"])
            for (_, row), (outcome, *_) in zip(clips.iterrows(), verdicts, strict=True)
            if outcome == "kept" and row["batch"] == batch
        ]
        found.sort(key=lambda f: f[:2])
        duplicates = set()
        if found and config.dedup.near == "on":
            repeats = index.settle(np.array([words for _, _, words in found], np.uint64))
            duplicates = {name for (_, name, _), other in zip(found, repeats, strict=True) if other >= 0}
        for number, name in enumerate(clips["clip_id"]):
            if name in duplicates:
                verdicts[number] = ("rejected", "near_duplicates", "near_duplicate")
    return verdicts


def list_verdicts(
    selector: Selector, changed: dict[str, float], dedup: DedupConfig | None = None
) -> list[tuple[str, str, str]]:
    found = selector.select(changed, dedup)
    return [
        (OUTCOMES[outcome], found.stages[stage], found.reasons[reason])
        for outcome, stage, reason in zip(found.outcome, found.stage, found.reason, strict=True)
    ]


def format_overrides(changed: dict[str, float]) -> list[str]:
    return [f"{setting}={value!r}" for setting, value in changed.items()]


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), changed=changes, score_only=st.booleans(),
    near=st.sampled_from(["on", "off"]), max_distance=st.integers(0, 40),
)  # fmt: skip
def test_verdicts_equal_the_builds(
    seed: int, changed: dict[str, float], score_only: bool, near: str, max_distance: int
) -> None:
    clips = make_clips(60, seed)
    dedup = DedupConfig(near=near, max_distance=max_distance)
    base = make_config({"score_only": score_only}, [])
    lifted = score_only and not changed  # a changed threshold in a score-only data set enables selection
    config = make_config({"score_only": lifted, "dedup": dedup.model_dump()}, format_overrides(changed))
    assert list_verdicts(Selector(make_table(clips, base)), changed, dedup) == settle_clips(clips, config)


def test_unchanged_thresholds_keep_the_builds_verdicts() -> None:
    clips = make_clips(500, 5, duplicates=0.6)
    clips = clips[[judge_clip(row, BuildConfig())[0] != "open" for _, row in clips.iterrows()]].reset_index(drop=True)
    settled = settle_clips(clips, BuildConfig())
    clips = clips.assign(**{name: [row[i] for row in settled] for i, name in enumerate(("outcome", "stage", "reason"))})
    selector = Selector(make_table(clips))
    assert list_verdicts(selector, {}) == settled
    document = make_funnel_document(selector, selector.select({}))
    assert (document["newly_kept"], document["newly_rejected"], document["open"]) == (0, 0, 0)
    assert document["kept"] == document["kept_in_build"] == sum(row[0] == "kept" for row in settled) > 20
    assert document["reasons"]["near_duplicate"] > 5


@settings(max_examples=60, deadline=None)
@given(stage=st.sampled_from(STAGE_THRESHOLDS), seed=st.integers(0, 2**32 - 1), coarse=st.booleans())
def test_the_deciding_threshold_equals_that_of_judge(stage: StageThresholds, seed: int, coarse: bool) -> None:
    rng, count = np.random.default_rng(seed), 40

    def draw_scores(score: str, low: float = 0.0) -> np.ndarray:
        # On a coarse grid clips meet thresholds exactly, and miss several by the same amount.
        share = rng.integers(1 if low else 0, 5, count) / 4 if coarse else rng.uniform(low, 1, count)
        return share * SCALE.get(score, 1.0)

    scores = {t.score: np.where(rng.random(count) < 0.05, np.nan, draw_scores(t.score)) for t in stage.thresholds}
    limits = {t.setting: draw_scores(t.score, 0.01)[0] for t in stage.thresholds}
    limits |= {name: max(1, round(value)) for name, value in limits.items() if name in WHOLE}
    section = getattr(
        make_config({}, format_overrides({k: np.asarray(v).item() for k, v in limits.items()})), stage.stage
    )
    for clip, number in enumerate(find_missed_threshold(stage, scores, limits)):
        known = {name: float(column[clip]) for name, column in scores.items() if not np.isnan(column[clip])}
        reject = JUDGES[stage.stage](known, section)
        assert (reject and (reject.reason, reject.threshold)) == (
            (stage.thresholds[number].reason, limits[stage.thresholds[number].setting]) if number >= 0 else None
        )


def make_similar_clips(*distances: int, crowd: int) -> pd.DataFrame:
    """Make `crowd` clips of one bucket, batch and size that are no duplicates, except the last ones: these have the
    first clip's signature with as many bits changed as `distances` say."""
    rng = np.random.default_rng(0)
    clips = make_clips(crowd, 6, duplicates=0.0).assign(batch=0, width=640, height=480, reached="encode", stopped="")
    words = [clips["signature"][0].copy() for _ in range(crowd)]
    for row in range(1, crowd):
        words[row][4:] ^= rng.integers(0, 2**48, 4, dtype=np.uint64) << np.uint64(16)
    for row, distance in enumerate(distances, start=crowd - len(distances)):
        words[row] = words[0].copy()
        for bit in range(distance):  # one in each of the 12 bands that the crowd does not share, then the next
            words[row][4 + bit % 4] ^= np.uint64(1) << np.uint64(16 + bit // 4 % 3 * 16 + bit // 12)
    return clips.assign(signature=words)


@pytest.mark.parametrize("crowd", [3, 5, 33, 34, 35, 150])
def test_duplicates_are_found_among_any_number_of_clips(crowd: int) -> None:
    clips = make_similar_clips(30, crowd=crowd)
    config = make_config({"score_only": True}, [])
    found = list_verdicts(Selector(make_table(clips, config)), {}, DedupConfig(max_distance=30))
    assert found == settle_clips(clips, config) and [row[0] for row in found] == ["kept"] * (crowd - 1) + ["rejected"]
    found = list_verdicts(Selector(make_table(clips, config)), {}, DedupConfig(max_distance=29))
    assert [row[0] for row in found] == ["kept"] * crowd


def test_many_clips_are_settled_as_in_a_build() -> None:
    clips = make_similar_clips(*range(20, 60), crowd=120)
    for max_distance in (10, 25, 40, 50):
        dedup = DedupConfig(max_distance=max_distance)
        config = make_config({"dedup": dedup.model_dump(), "score_only": True}, [])
        assert list_verdicts(Selector(make_table(clips, config)), {}, dedup) == settle_clips(clips, config)


def test_the_funnel_adds_up_and_counts_the_changes() -> None:
    selector = Selector(make_table(make_clips(500, 7).assign(outcome=["kept", "rejected"] * 250)))
    document = make_funnel_document(selector, selector.select({"track.min_person_height": 0.6}))
    rows = document["funnel"]
    assert [row["stage"] for row in rows] == [*STEPS, "near_duplicates"]
    assert rows[0]["inputs"] == 500 and rows[-1]["emitted"] == document["kept"]
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        assert row["inputs"] == row["emitted"] + row["rejected"] + row["faulted"] + row["open"]
        assert after is None or row["emitted"] == after["inputs"]
    assert document["kept"] == document["kept_in_build"] + document["newly_kept"] - document["newly_rejected"]
    assert document["open"] == sum(row["open"] for row in rows) > 0


def test_faults_and_missing_sources_keep_their_verdicts() -> None:
    clips = make_clips(3, 8, duplicates=0.0).assign(
        reached="track", stopped="", stopped_reason="", outcome=["faulted", "rejected", "rejected"],
        stage=["crop", "crop", "track"], reason=["fault", "unreadable", "person_too_small"],
    )  # fmt: skip
    for threshold in THRESHOLDS:
        clips[f"{SCORE}{threshold.score}"] = SCALE.get(threshold.score, 1.0) if threshold.at_least else 0.0
    assert list_verdicts(Selector(make_table(clips)), {}) == [
        ("faulted", "crop", "fault"), ("rejected", "crop", "unreadable"), ("open", "crop", ""),
    ]  # fmt: skip


def test_without_a_ledger_the_builds_verdicts_remain() -> None:
    clips = make_clips(4, 9).assign(
        signature=None, reached="", outcome=["kept", "rejected", "kept", "faulted"],
        stage=["near_duplicates", "track", "near_duplicates", "motion"], reason=["", "no_person", "", "fault"],
    )  # fmt: skip
    bare = ClipTable(frame=clips, stage_thresholds=(), steps=(), config={}, video_cpu_s={}, complete=False)
    assert [row[0] for row in list_verdicts(Selector(bare), {})] == list(clips["outcome"])


@pytest.mark.parametrize(
    ("changed", "line"), [({"track.nothing": 1.0}, "no setting"), ({"track.min_person_share": np.inf}, "give a number")]
)
def test_an_invalid_setting_or_value_is_a_user_error(changed: dict[str, float], line: str) -> None:
    with pytest.raises(UserError, match=line):
        Selector(make_table(make_clips(3, 1))).select(changed)


def test_an_empty_table() -> None:
    selector = Selector(make_table(make_clips(2, 1).iloc[:0]))
    assert make_funnel_document(selector, selector.select({}))["kept"] == 0

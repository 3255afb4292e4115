"""Under any thresholds the explorer says of every clip what a build would."""

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humove.bars import StageBars
from humove.errors import UserError
from humove.near_duplicates import DedupConfig, NearDuplicateIndex
from pipelines.config import BuildConfig, configured
from shards.clips import SCORE, ClipTable
from shards.explorer.funnel import funnel_document
from shards.explorer.selection import OUTCOMES, Selector, missed_bar
from tests.builds import STAGE_BARS
from tests.shards.explorer.tables import SCALE, STEPS, WHOLE, frame, table

JUDGES = {stage.stage: stage.judge for stage in STAGE_BARS}
BARS = [bar for stage in STAGE_BARS for bar in stage.bars]

shares = st.one_of(st.sampled_from([0.0, 0.5, 1.0]), st.floats(0.001, 0.999))
changes = st.dictionaries(st.sampled_from(BARS), shares, max_size=6).map(
    lambda chosen: {
        bar.setting: max(1, round(share * SCALE[bar.score])) if bar.setting in WHOLE
        else max(share, 0.001) * SCALE.get(bar.score, 1.0)
        for bar, share in chosen.items()
    }
)  # fmt: skip


def verdict(row: pd.Series, config: BuildConfig) -> tuple[str, str, str]:
    """(outcome, stage, reason) by the build's own judges, before near duplicates."""
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


def settle(clips: pd.DataFrame, config: BuildConfig) -> list[tuple[str, str, str]]:
    """Every clip's verdict, near duplicates settled as assembly does it: batch by batch."""
    verdicts = [verdict(row, config) for _, row in clips.iterrows()]
    index = NearDuplicateIndex(config.dedup.max_distance)
    for batch in sorted(set(clips["batch"])):
        found = [
            (-row["width"] * row["height"], row["clip_id"], row["signature"])
            for (_, row), (outcome, *_) in zip(clips.iterrows(), verdicts, strict=True)
            if outcome == "kept" and row["batch"] == batch
        ]
        found.sort(key=lambda f: f[:2])
        twins = set()
        if found and config.dedup.near == "on":
            repeats = index.settle(np.array([words for _, _, words in found], np.uint64))
            twins = {name for (_, name, _), other in zip(found, repeats, strict=True) if other >= 0}
        for number, name in enumerate(clips["clip_id"]):
            if name in twins:
                verdicts[number] = ("rejected", "near_duplicates", "near_duplicate")
    return verdicts


def said(selector: Selector, changed: dict[str, float], dedup: DedupConfig | None = None) -> list[tuple[str, str, str]]:
    found = selector.select(changed, dedup)
    return [
        (OUTCOMES[outcome], found.stages[stage], found.reasons[reason])
        for outcome, stage, reason in zip(found.outcome, found.stage, found.reason, strict=True)
    ]


def overridden(changed: dict[str, float]) -> list[str]:
    return [f"{setting}={value!r}" for setting, value in changed.items()]


@settings(max_examples=100, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1), changed=changes, score_only=st.booleans(),
    near=st.sampled_from(["on", "off"]), max_distance=st.integers(0, 40),
)  # fmt: skip
def test_every_verdict_is_the_builds_own(
    seed: int, changed: dict[str, float], score_only: bool, near: str, max_distance: int
) -> None:
    clips = frame(60, seed)
    dedup = DedupConfig(near=near, max_distance=max_distance)
    base = configured({"score_only": score_only}, [])
    lifted = score_only and not changed  # a bar that is moved in a set of scores is a wish to select
    config = configured({"score_only": lifted, "dedup": dedup.model_dump()}, overridden(changed))
    assert said(Selector(table(clips, base)), changed, dedup) == settle(clips, config)


def test_a_table_settled_by_the_build_stays_as_it_is() -> None:
    clips = frame(500, 5, twins=0.6)
    clips = clips[[verdict(row, BuildConfig())[0] != "open" for _, row in clips.iterrows()]].reset_index(drop=True)
    settled = settle(clips, BuildConfig())
    clips = clips.assign(**{name: [row[i] for row in settled] for i, name in enumerate(("outcome", "stage", "reason"))})
    selector = Selector(table(clips))
    assert said(selector, {}) == settled
    document = funnel_document(selector, selector.select({}))
    assert (document["returned"], document["left"], document["open"]) == (0, 0, 0)
    assert document["kept"] == document["kept_before"] == sum(row[0] == "kept" for row in settled) > 20
    assert document["reasons"]["near_duplicate"] > 5


@settings(max_examples=60, deadline=None)
@given(stage=st.sampled_from(STAGE_BARS), seed=st.integers(0, 2**32 - 1), coarse=st.booleans())
def test_the_bar_that_counts_is_the_judges(stage: StageBars, seed: int, coarse: bool) -> None:
    rng, count = np.random.default_rng(seed), 40

    def drawn(score: str, low: float = 0.0) -> np.ndarray:
        # On a coarse grid clips meet bars exactly, and miss several of them by as much.
        share = rng.integers(1 if low else 0, 5, count) / 4 if coarse else rng.uniform(low, 1, count)
        return share * SCALE.get(score, 1.0)

    scores = {bar.score: np.where(rng.random(count) < 0.05, np.nan, drawn(bar.score)) for bar in stage.bars}
    thresholds = {bar.setting: drawn(bar.score, 0.01)[0] for bar in stage.bars}
    thresholds |= {name: max(1, round(value)) for name, value in thresholds.items() if name in WHOLE}
    section = getattr(configured({}, overridden({k: np.asarray(v).item() for k, v in thresholds.items()})), stage.stage)
    for clip, number in enumerate(missed_bar(stage, scores, thresholds)):
        known = {name: float(column[clip]) for name, column in scores.items() if not np.isnan(column[clip])}
        reject = JUDGES[stage.stage](known, section)
        assert (reject and (reject.reason, reject.threshold)) == (
            (stage.bars[number].reason, thresholds[stage.bars[number].setting]) if number >= 0 else None
        )


def alike(*distances: int, crowd: int) -> pd.DataFrame:
    """`crowd` clips that share a bucket and are no twins, but for the last ones: each has the first one's pictures
    with so many bits changed as `distances` say. All of one batch and size."""
    rng = np.random.default_rng(0)
    clips = frame(crowd, 6, twins=0.0).assign(batch=0, width=640, height=480, reached="encode", stopped="")
    words = [clips["signature"][0].copy() for _ in range(crowd)]
    for row in range(1, crowd):
        words[row][4:] ^= rng.integers(0, 2**48, 4, dtype=np.uint64) << np.uint64(16)
    for row, distance in enumerate(distances, start=crowd - len(distances)):
        words[row] = words[0].copy()
        for bit in range(distance):  # one in each of the 12 bands that the crowd does not share, then the next
            words[row][4 + bit % 4] ^= np.uint64(1) << np.uint64(16 + bit // 4 % 3 * 16 + bit // 12)
    return clips.assign(signature=words)


@pytest.mark.parametrize("crowd", [3, 5, 33, 34, 35, 150])
def test_twins_are_found_whatever_the_crowd_between_them(crowd: int) -> None:
    clips = alike(30, crowd=crowd)
    config = configured({"score_only": True}, [])
    found = said(Selector(table(clips, config)), {}, DedupConfig(max_distance=30))
    assert found == settle(clips, config) and [row[0] for row in found] == ["kept"] * (crowd - 1) + ["rejected"]
    found = said(Selector(table(clips, config)), {}, DedupConfig(max_distance=29))
    assert [row[0] for row in found] == ["kept"] * crowd


def test_a_crowd_is_settled_as_without_the_shortcut() -> None:
    clips = alike(*range(20, 60), crowd=120)
    for max_distance in (10, 25, 40, 50):
        dedup = DedupConfig(max_distance=max_distance)
        config = configured({"dedup": dedup.model_dump(), "score_only": True}, [])
        assert said(Selector(table(clips, config)), {}, dedup) == settle(clips, config)


def test_the_funnel_adds_up_and_says_who_comes_and_goes() -> None:
    selector = Selector(table(frame(500, 7).assign(outcome=["kept", "rejected"] * 250)))
    document = funnel_document(selector, selector.select({"track.min_person_height": 0.6}))
    rows = document["funnel"]
    assert [row["stage"] for row in rows] == [*STEPS, "near_duplicates"]
    assert rows[0]["inputs"] == 500 and rows[-1]["emitted"] == document["kept"]
    for row, after in zip(rows, [*rows[1:], None], strict=True):
        assert row["inputs"] == row["emitted"] + row["rejected"] + row["faulted"] + row["open"]
        assert after is None or row["emitted"] == after["inputs"]
    assert document["kept"] == document["kept_before"] + document["returned"] - document["left"]
    assert document["open"] == sum(row["open"] for row in rows) > 0


def test_faults_and_lost_sources_stay_what_they_are() -> None:
    clips = frame(3, 8, twins=0.0).assign(
        reached="track", stopped="", stopped_reason="", outcome=["faulted", "rejected", "rejected"],
        stage=["crop", "crop", "track"], reason=["fault", "unreadable", "person_too_small"],
    )  # fmt: skip
    for bar in BARS:
        clips[f"{SCORE}{bar.score}"] = SCALE.get(bar.score, 1.0) if bar.at_least else 0.0
    assert said(Selector(table(clips)), {}) == [
        ("faulted", "crop", "fault"), ("rejected", "crop", "unreadable"), ("open", "crop", ""),
    ]  # fmt: skip


def test_without_a_ledger_all_stays_as_built() -> None:
    clips = frame(4, 9).assign(
        signature=None, reached="", outcome=["kept", "rejected", "kept", "faulted"],
        stage=["near_duplicates", "track", "near_duplicates", "motion"], reason=["", "no_person", "", "fault"],
    )  # fmt: skip
    bare = ClipTable(frame=clips, stage_bars=(), steps=(), config={}, video_cpu_s={}, complete=False)
    assert [row[0] for row in said(Selector(bare), {})] == list(clips["outcome"])


@pytest.mark.parametrize(
    ("changed", "line"), [({"track.nothing": 1.0}, "no setting"), ({"track.min_person_share": np.inf}, "give a number")]
)
def test_a_setting_that_is_none_is_one_line(changed: dict[str, float], line: str) -> None:
    with pytest.raises(UserError, match=line):
        Selector(table(frame(3, 1))).select(changed)


def test_an_empty_table() -> None:
    selector = Selector(table(frame(2, 1).iloc[:0]))
    assert funnel_document(selector, selector.select({}))["kept"] == 0

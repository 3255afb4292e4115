"""Figures that a small set does not cover: outliers, ranks, tails, concerns."""

import copy
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from humove.config.thresholds import StageThresholds, Threshold
from humove.reasons import Reason
from shards.clips_table import ClipTable, read_clips
from shards.reader import open_dataset
from shards.report.concerns import find_concerns
from shards.report.drawing.charts import layout_treemap, stack_bars
from shards.report.drawing.distribution import count_bins, make_edges, summarize_distribution
from shards.report.drawing.figures import compute_report_figures
from shards.report.drawing.sheets import select_sheets
from shards.report.scores import summarize_scores
from shards.report.shard_table import summarize_shards
from shards.report.source import get_source_name

finite = st.floats(-1e6, 1e6)


@given(st.lists(finite, max_size=60), st.booleans(), st.none() | finite)
def test_every_value_is_in_some_bar(values: list[float], whole: bool, also: float | None):
    values = np.array([round(v) if whole else v for v in values], dtype=float)
    edges = make_edges(values, whole=whole, also=also)
    assert (np.diff(edges) > 0).all() and len(edges) <= 40
    assert sum(count_bins(values, edges)) == len(values)


def test_a_far_tail_does_not_squeeze_the_rest():
    values = np.r_[np.linspace(0, 1, 1000), 1e6]
    found = summarize_distribution(values)
    assert found["edges"][-1] < 10 and found["max"] == 1e6 and sum(found["counts"]) == 1001
    assert summarize_distribution(np.array([]))["median"] is None
    assert summarize_distribution(np.array([3.0, np.nan]))["count"] == 1


def test_a_near_threshold_is_included_in_the_histogram():
    values = np.linspace(10, 20, 50)
    assert make_edges(values, also=8.0)[0] == 8 and make_edges(values, also=300.0)[-1] == 20


def make_clips(score: list[float], outcome: list[str]) -> ClipTable:
    threshold = Threshold(
        setting="quality.max_jitter", score="jitter", at_least=False, reason=Reason.LOW_MOTION_QUALITY, message="",
        low=0, high=9, minimum=0, maximum=None, description="",
    )  # fmt: skip
    names = [f"{n:016x}-s0000-c0000-p00" for n in range(len(score))]
    text = dict.fromkeys(("uri", "category", "caption", "detail"), "")
    frame = pd.DataFrame(
        {"clip_id": names, "outcome": outcome, "reason": "low_motion_quality", "start_s": 0.0, "end_s": 1.0}
    )
    frame = frame.assign(**text, **{"score.jitter": score, "score.free": 1.0})
    stage = StageThresholds(stage="quality", rule="first", thresholds=(threshold,))
    return ClipTable(
        frame=frame,
        stage_thresholds=(stage,),
        steps=(),
        config={"quality": {"max_jitter": 5.0}},
        video_cpu_s={},
        complete=True,
    )


def test_scores_are_compared_with_their_thresholds():
    clips = make_clips([1, 2, 3, 9, np.nan], ["kept", "kept", "kept", "rejected", "faulted"])
    found = summarize_scores(clips)
    assert list(found) == ["jitter", "free"], "those with a threshold come first"
    assert found["jitter"]["bar"] | {"description": ""} == {
        "stage": "quality", "setting": "quality.max_jitter", "threshold": 5.0, "at_least": False,
        "reason": "low_motion_quality", "description": "", "missed": 1, "missed_share": 0.25,
    }  # fmt: skip
    assert (found["jitter"]["kept"]["median"], found["jitter"]["rejected"]["median"]) == (2, 9)
    assert found["free"]["bar"] is None and found["free"]["measured"] == 5


def test_the_best_and_the_worst_of_the_kept():
    jitter = list(np.linspace(1, 4, 30)) + [9.0]
    found = select_sheets(make_clips(jitter, ["kept"] * 30 + ["rejected"]))
    ids = {kind: [int(row["clip_id"][:16], 16) for row in rows] for kind, rows in found["kept"].items()}
    assert ids["best"] == list(range(12)) and ids["worst"] == list(range(29, 17, -1))
    assert len(set(ids["random"])) == 12 and max(ids["random"]) < 30
    assert [int(row["clip_id"][:16], 16) for row in found["rejected"]["low_motion_quality"]] == [30]


def test_outlying_shards_are_named():
    rng = np.random.default_rng(3)
    index = pd.DataFrame(
        {
            "shard": np.repeat([f"train-{n:06d}.tar" for n in range(8)], 20),
            "duration_s": rng.normal(3, 0.05, 160),
            "jitter": rng.normal(60, 4, 160),
        }
    )
    index.loc[index["shard"] == "train-000003.tar", "jitter"] += 60
    row = {"split": "train", "num_samples": 20, "bytes": 9_000_000}
    rows = [SimpleNamespace(name=f"train-{n:06d}.tar", **row) for n in range(8)]
    rows[5].bytes = 90_000_000
    check = SimpleNamespace(found="sound", readable=True)
    source = SimpleNamespace(
        index=index, doc=SimpleNamespace(shards=rows), checks={each.name: check for each in rows}
    )  # fmt: skip
    found = summarize_shards(source)
    outliers = {row["name"]: row["outliers"] for row in found["rows"] if row["outliers"]}
    assert outliers == {"train-000003.tar": ["jitter"], "train-000005.tar": ["bytes_per_second"]}
    assert (found["outliers"], found["unsound"], found["hashed"]) == (2, 0, 8)


@given(st.dictionaries(st.text(min_size=1, max_size=6), st.integers(1, 1000), min_size=1, max_size=30))
def test_a_treemap_fills_its_rectangle_by_the_samples(counts: dict[str, int]):
    tiles = layout_treemap({name: {"samples": number} for name, number in counts.items()})
    assert sum(t.width * t.height for t in tiles) == pytest.approx(10_000, rel=1e-2)
    assert {t.name: t.samples for t in tiles} == counts
    assert all(min(t.x, t.y) >= 0 and max(t.x + t.width, t.y + t.height) <= 100.01 for t in tiles)


def test_bars_are_stacked():
    low, high = stack_bars([0, 1, 2], [("kept", ("a",), [3, 0]), ("rejected", ("b",), [1, 0])])
    assert (low.figure, high.figure) == ("a.0", "b.0")
    assert (low.y, low.height, high.y, high.height) == (25, 75, 0, 25)


@pytest.mark.parametrize(
    ("uri", "url", "expected"),
    [
        ("a/b/c.mp4", "", "a/"), ("c.mp4", "", "(top folder)"), ("c.mp4", "https://x.org/v?id=1", "x.org"),
        ("s3://bucket/v.mp4", "", "s3://bucket"), ("http://[bad/v.mp4", "", "http:/"),
        ("c.mp4", "ask Bob", "(top folder)"),
    ],
)  # fmt: skip
def test_the_source_of_a_clip(uri: str, url: str, expected: str):
    assert get_source_name(uri, url) == expected


def test_concerns(built):
    dataset = open_dataset(str(built))
    found = compute_report_figures(dataset, read_clips(dataset))

    def list_concerns(**changes) -> list[str]:
        changed = copy.deepcopy(found)
        for path, value in changes.items():
            here = changed
            *steps, last = path.split("__")
            for step in steps:
                here = here[step]
            here[last] = value
        return [each["text"] for each in find_concerns(changed)]

    usual = list_concerns()
    assert "Empty splits: test." in usual and not any("Failed" in text for text in usual)
    for text, changes in {
        "Failed by an error of the pipeline, not for their content: 2 units.": {"headline__faulted": 2},
        "The reason 'too dark' drops 60 % of all clips.": {"reasons__too_dark__share_of_clips": 0.6},
        "Videos in more than one split: 1; test data is also training data.": {"splits__shared_videos": 1},
        "The motion's median confidence is 0.31.": {"motion__confidence__median": 0.31},
        "Only 70 % of the frames have a valid pose.": {"motion__valid_frames_share": 0.7},
        "No clip states the licence of its source: add it to the column of the manifest.": {
            "rights__licence_stated": 0
        },
        "One video gives 80 % of all hours.": {"headline__largest_video_share": 0.8},
        "The captions are repetitive: 3 distinct ones for 40 clips.": {
            "captions__distinct": 3, "captions__count": 40, "captions__distinct_share": 0.075,
        },
        "No sample has a category.": {"categories__groups": {"not stated": {"samples": 4}}},
        "Shards that are outliers: .": {"shards__outliers": 3},
        "The set holds no sample.": {"headline__samples": 0},
    }.items():  # fmt: skip
        assert text not in usual and text in list_concerns(**changes), text

"""index.parquet and outcomes.parquet."""

from dataclasses import asdict
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import shards.index
from humove.types import Sample
from shards.index import (
    INDEX_COLUMNS,
    IndexWriter,
    Outcome,
    OutcomesWriter,
    get_score_column,
    make_index_row,
    read_outcomes,
    read_rows,
)
from shards.schemas import SampleMeta
from shards.writer import Placement


def make_placement(sample: Sample) -> Placement:
    return Placement(
        key=sample.key, split=sample.split, shard="train-000000.tar", offset=0, bytes=4096, mp4_offset=512, mp4_bytes=9
    )


def test_an_index_row_has_the_fixed_columns_then_scores(samples: list[Sample], tmp_path: Path):
    sample = samples[2]
    with IndexWriter(tmp_path / "index.parquet", ["sharpness", "duration_s"]) as index:
        index.add(SampleMeta.model_validate(sample.meta), make_placement(sample))
    table = pq.read_table(tmp_path / "index.parquet")
    assert table.column_names == [*INDEX_COLUMNS, "score_duration_s", "sharpness"]
    row = table.to_pylist()[0]
    assert row["fps"] == 30000 / 1001
    assert row["duration_s"] == pytest.approx(17 * 1001 / 30000)
    assert (row["sharpness"], row["score_duration_s"]) == (0.5, 0.8)
    assert row["category"] == "upper body/swing"
    assert (row["mp4_offset"], row["mp4_bytes"], row["num_frames"]) == (512, 9, 17)


def test_an_unlisted_score_is_an_error(samples: list[Sample], tmp_path: Path):
    meta = SampleMeta.model_validate(samples[0].meta)
    with (
        pytest.raises(ValueError, match="no column"),
        IndexWriter(tmp_path / "index.parquet", ["sharpness"]) as index,
    ):
        index.add(meta, make_placement(samples[0]))
    assert list(tmp_path.iterdir()) == [], "an index that failed must not appear"


def test_a_score_that_a_sample_lacks_is_null(samples: list[Sample], tmp_path: Path):
    with IndexWriter(tmp_path / "index.parquet", ["sharpness", "duration_s", "other"]) as index:
        index.add(SampleMeta.model_validate(samples[0].meta), make_placement(samples[0]))
    assert next(read_rows(tmp_path / "index.parquet"))["other"] is None
    assert "other" not in make_index_row(SampleMeta.model_validate(samples[0].meta), make_placement(samples[0]))


def test_scores_named_as_columns_are_renamed():
    assert (get_score_column("fps"), get_score_column("blur")) == ("score_fps", "blur")


rows = st.lists(
    st.builds(
        Outcome,
        unit=st.sampled_from(["video", "shot", "clip"]),
        video_id=st.text("0123abc", max_size=4),
        uri=st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=9),
        clip_id=st.text("abc-", max_size=4),
        start_frame=st.none() | st.integers(0, 2**40),
        end_s=st.none() | st.floats(0, 1e6),
        stage=st.sampled_from(["probe", "track"]),
        outcome=st.sampled_from(["kept", "split", "rejected", "faulted"]),
        reason=st.sampled_from(["blurry", "unreadable"]),
        detail=st.text("ab\n人", max_size=5),
        score=st.none() | st.floats(allow_nan=False),
    ),
    max_size=20,
)


@settings(deadline=None, max_examples=50)
@given(drawn=rows)
def test_outcomes_round_trip(drawn: list[Outcome], tmp_path_factory: pytest.TempPathFactory):
    path = tmp_path_factory.mktemp("outcomes") / "outcomes.parquet"
    with OutcomesWriter(path) as table:
        for row in drawn:
            table.add(row)
    assert list(read_outcomes(path)) == drawn


def test_rows_stream_in_groups_and_the_bytes_depend_on_the_rows_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(shards.index, "ROWS_PER_GROUP", 10)
    some = [Outcome(unit="video", video_id=str(i), uri=f"{i}.mp4", stage="s", outcome="kept") for i in range(25)]
    for name in ("a.parquet", "b.parquet"):
        with OutcomesWriter(tmp_path / name) as table:
            for row in some:
                table.append(asdict(row))
    assert (tmp_path / "a.parquet").read_bytes() == (tmp_path / "b.parquet").read_bytes()
    assert pq.ParquetFile(tmp_path / "a.parquet").num_row_groups == 3


def test_a_rejection_without_a_reason_is_refused():
    with pytest.raises(ValueError, match="without a reason"):
        Outcome(unit="clip", video_id="a", uri="a.mp4", stage="screen", outcome="rejected")
    with pytest.raises(ValueError, match="want"):
        Outcome(unit="frame", video_id="a", uri="a.mp4", stage="screen", outcome="kept")

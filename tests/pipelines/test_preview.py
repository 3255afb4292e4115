"""Clips that no shard holds: cut from the source, with what was measured of them; and unfinished builds."""

import shutil
from pathlib import Path

import av
import numpy as np
import pyarrow as pa
import pytest

from humove.errors import UserError
from humove.storage import open_store
from pipelines.engine.ledger import Ledger
from pipelines.engine.state import StateTables
from pipelines.jobs.preview import LedgerMedia, open_ledger_media
from pipelines.jobs.snapshot import read_plan, take_snapshot
from shards.clips_table import read_clips
from shards.reader import open_dataset
from tests.builds import run_build


@pytest.fixture
def media(built: Path, tmp_path: Path) -> LedgerMedia:
    dataset = open_dataset(str(built))
    return open_ledger_media(dataset, read_clips(dataset), tmp_path)


def read_frames(path: Path) -> list[np.ndarray]:
    with av.open(str(path)) as box:
        return [frame.to_ndarray(format="rgb24") for frame in box.decode(video=0)]


def test_a_rejected_clip_is_cut_from_its_source(built: Path, videos: Path, media: LedgerMedia) -> None:
    clips = read_clips(open_dataset(str(built))).frame
    row = clips[clips["uri"] == "empty_room.mp4"].iloc[0]
    assert row["outcome"] == "rejected"
    path = media.get_mp4(row["clip_id"])
    shown, source = read_frames(path), read_frames(videos / "empty_room.mp4")
    span = source[row["start_frame"] : row["end_frame"]]
    assert len(shown) == len(span)
    assert max(np.abs(a.astype(int) - b).mean() for a, b in zip(shown, span, strict=True)) < 4
    still = media.read_frame(row["clip_id"])
    assert np.abs(still.astype(int) - shown[len(shown) // 2]).mean() < 4
    data = media.read_clip(row["clip_id"])
    assert (data.motion, data.pose2d, data.meta["uri"]) == (None, None, "empty_room.mp4")


def test_a_kept_clip_is_the_one_of_the_shard(built: Path, media: LedgerMedia) -> None:
    dataset = open_dataset(str(built))
    sample = next(dataset.iterate_samples())
    assert media.get_mp4(sample.key).read_bytes() == sample.mp4
    stored = read_frames(media.get_mp4(sample.key))
    for k in (0, 17, len(stored) - 1):
        assert np.abs(media.read_frame(sample.key, k).astype(int) - stored[k]).mean() < 5
    middle = len(stored) // 2
    changed = np.abs(media.draw_still(sample.key).astype(int) - media.read_frame(sample.key, middle)).max(axis=2) > 20
    hip = sample.motion.joints[middle, 0] @ sample.motion.cam_intrinsics.T
    x, y = (hip[:2] / hip[2]).astype(int)
    assert changed[y, x] and 0.02 < changed.mean() < 0.6  # the body is drawn on the person, and nowhere else
    data = media.read_clip(sample.key)
    assert np.array_equal(data.motion.joints, sample.motion.joints)
    assert np.array_equal(data.motion.cam_intrinsics, sample.motion.cam_intrinsics)
    assert np.array_equal(data.pose2d.keypoints, sample.pose2d.keypoints)
    for name in ("fps", "width", "height", "crop_xyxy"):
        assert data.meta[name] == sample.meta[name], name


def test_a_lost_source_and_an_unknown_clip_give_none(videos: Path, tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    shutil.copy(videos / "empty_room.mp4", tmp_path / "videos")
    with pytest.raises(UserError, match="no sample was kept"):
        run_build(tmp_path / "videos", tmp_path / "out")
    store = open_store(tmp_path / "out")
    clips = read_clips(open_dataset(str(tmp_path / "out")))
    media = LedgerMedia(read_plan(store), store, clips, tmp_path)
    (clip_id,) = clips.frame["clip_id"]
    (tmp_path / "videos" / "empty_room.mp4").unlink()
    assert media.get_mp4(clip_id) is None and media.read_frame(clip_id) is None
    assert media.get_mp4("../../etc/passwd") is None and media.read_clip("0-s0000-c0000-p00") is None


def remove_steps(out: Path, clip_id: str, steps: tuple[str, ...]) -> None:
    """Makes the state of a build one in which these steps of a clip have not run."""
    state = Ledger(open_store(out)).open_state(0)
    tables = state.read()
    rows = tables.clips.to_pylist()
    for row in rows:
        if row["clip_id"] == clip_id:
            row.update({f"key.{step}": None for step in steps})
    clips = pa.Table.from_pylist(rows, tables.clips.schema)
    state.replace_rows(StateTables(videos=tables.videos, clips=clips))


def test_a_snapshot_of_an_unfinished_build(copied: Path, tmp_path: Path) -> None:
    whole = read_clips(open_dataset(str(copied))).frame.set_index("clip_id")
    first = whole.index[whole["outcome"] == "kept"][0]
    remove_steps(copied, first, ("motion", "quality", "caption", "encode"))
    (copied / "dataset.json").unlink()
    clips = take_snapshot(read_plan(open_store(copied)), open_store(copied))
    rows = clips.frame.set_index("clip_id")
    assert list(rows.index) == list(whole.index)
    assert (rows.loc[first, "outcome"], rows.loc[first, "stage"], rows.loc[first, "reached"]) == (
        "open", "motion", "pose2d",
    )  # fmt: skip
    others = rows.index != first
    assert (rows.loc[others, "outcome"] == whole.loc[others, "outcome"]).all()


def test_a_folder_without_a_build_is_a_one_line_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no build that has begun"):
        read_plan(open_store(tmp_path))

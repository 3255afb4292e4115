"""Long videos: measured in spans by several tasks, with the same shards, in few files, for every container."""

import shutil
import subprocess
from pathlib import Path

import imageio_ffmpeg
import pytest

from humove.storage import open_store
from pipelines.samples.film import JoinedFilm, write_film
from shards.reader import open_dataset
from shards.verify import verify
from tests.builds import render_film, run_build
from tests.pipelines.test_build import hash_shards

SPANS = "execution.unit_seconds=2"
"""A setting that makes a video of a few seconds a long one."""


@pytest.fixture(scope="module")
def long_video(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("long") / "videos" / "long.mp4"
    parts = [
        render_film("wave", seed=3),
        render_film("squat", seed=4),
        render_film("wave", seed=5),
        render_film("squat", seed=6),
    ]
    write_film(JoinedFilm(JoinedFilm(parts[0], parts[1]), JoinedFilm(parts[2], parts[3])), path)
    return path


def copy_as(source: Path, target: Path, *options: str) -> Path:
    """Copy a video into another container with a key frame each half second."""
    target.parent.mkdir(parents=True, exist_ok=True)
    command = [imageio_ffmpeg.get_ffmpeg_exe(), "-y", "-loglevel", "error", "-i", str(source), *options, str(target)]
    subprocess.run(command, check=True)
    return target


ENCODE = ("-c:v", "libx264", "-g", "12", "-crf", "16", "-bf", "0")


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("spans.mp4", ENCODE),  # scanned span by span
        ("whole.ts", (*ENCODE, "-f", "mpegts")),  # decoding cannot start at its key frames: scanned as a whole
        ("raw.h264", (*ENCODE, "-f", "h264")),  # without timestamps: its clips are decoded in one pass
    ],
)
def test_spans_give_the_shards_of_the_whole(long_video: Path, tmp_path: Path, name: str, options: tuple) -> None:
    copy_as(long_video, tmp_path / "videos" / name, *options)
    _, whole = run_build(tmp_path / "videos", tmp_path / "whole")
    _, spans = run_build(tmp_path / "videos", tmp_path / "spans", SPANS)
    assert hash_shards(tmp_path / "spans") == hash_shards(tmp_path / "whole") != {}
    assert len(open_dataset(str(tmp_path / "spans"))) >= 3
    assert verify(str(tmp_path / "spans"), deep=False) == []
    assert (spans.works["scan"] > 1) == (name == "spans.mp4") and whole.works["scan"] == 1
    assert spans.works["encode"] == whole.works["encode"] >= 3
    store = open_store(tmp_path / "spans")
    assert len(store.list("ledger/records")) == 1  # the spans' files were put together
    assert store.list("ledger/videos") == []


def test_a_long_video_is_resumed_and_measured_again_from_the_step_that_changed(
    long_video: Path, tmp_path: Path
) -> None:
    shutil.copytree(long_video.parent, tmp_path / "videos")
    run_build(tmp_path / "videos", tmp_path / "out", SPANS)
    _, quiet = run_build(tmp_path / "videos", tmp_path / "out", SPANS, "encode.crf=30")
    assert quiet.works["scan"] == quiet.works["motion"] == 0 < quiet.works["encode"]
    run_build(tmp_path / "videos", tmp_path / "other", "encode.crf=30")
    assert sorted(hash_shards(tmp_path / "out").values()) == sorted(hash_shards(tmp_path / "other").values())
    assert verify(str(tmp_path / "out"), deep=False) == []

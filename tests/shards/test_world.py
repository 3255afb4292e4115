"""The camera's path as a separate member: written, read by every reader, and checked."""

import io
import tarfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from humove.types import Sample, WorldCamera
from shards.checks.world import check_world
from shards.format import MEMBERS, MEMBERS_WITH_WORLD, encode_sample
from shards.npz import decode_npz, decode_world_npz, encode_world_npz
from shards.reader import decode_sample, read_members
from shards.report.source import read_member
from shards.writer import ShardWriter
from tests.shards.conftest import make_sample


def make_path(frames: int) -> WorldCamera:
    """A camera at eye height that looks along the world's -z and pans to its left, a degree a frame."""
    turn = np.radians(np.arange(frames, dtype=np.float64))
    cos, sin, zero = np.cos(turn), np.sin(turn), np.zeros(frames)
    # Columns: the camera's x (right), y (down) and z (forward) axes in the world.
    columns = [np.stack([cos, zero, -sin], 1), np.tile([0.0, -1.0, 0.0], (frames, 1)), np.stack([-sin, zero, -cos], 1)]
    return WorldCamera(
        rotation=np.stack(columns, 2).astype(np.float32),
        position=np.tile(np.array([0, 1.6, 0], np.float32), (frames, 1)),
        gravity=np.tile(np.array([0, 1, 0], np.float32), (frames, 1)),
    )


@pytest.fixture(scope="module")
def sample() -> Sample:
    sample = make_sample("a" * 16, 0, split="train", start_frame=0)
    return replace(sample, world=make_path(sample.meta["num_frames"]))


def test_a_shard_holds_samples_with_and_without_it(sample: Sample, tmp_path: Path) -> None:
    other = make_sample("b" * 16, 0, split="train", start_frame=0)
    with ShardWriter(tmp_path, "train") as writer:
        places = [writer.write(s) for s in (sample, other)]
    with (tmp_path / places[0].shard).open("rb") as raw:
        found = list(read_members(raw))
        assert [(key, tuple(members)) for key, members in found] == [
            (sample.key, MEMBERS_WITH_WORLD), (other.key, MEMBERS)
        ]  # fmt: skip
        first, second = (decode_sample(key, "train", members) for key, members in found)
        assert second.world is None
        for name in ("rotation", "position", "gravity"):
            np.testing.assert_array_equal(getattr(first.world, name), getattr(sample.world, name))
        # Readers that step from header to header pass over it.
        for place, own in zip(places, (sample, other), strict=True):
            document = read_member(raw, place.mp4_offset - tarfile.BLOCKSIZE, "json")
            assert f'"{own.key}"'.encode() in document
            raw.seek(place.mp4_offset - tarfile.BLOCKSIZE)
            assert next(read_members(raw))[0] == own.key


def test_bytes_depend_on_the_content_only(sample: Sample) -> None:
    raw = encode_world_npz(sample.world)
    assert raw == dict(encode_sample(sample))["world.npz"] == encode_world_npz(decode_world_npz(raw))


def test_checks(sample: Sample) -> None:
    arrays, frames = decode_npz(encode_world_npz(sample.world)), sample.meta["num_frames"]
    assert not list(check_world("x", arrays, frames))

    def check(**changed: np.ndarray) -> str:
        return " ".join(str(defect) for defect in check_world("x", {**arrays, **changed}, frames))

    assert "gravity does not point down" in check(gravity=-arrays["gravity"])
    assert "not rotations" in check(rotation=arrays["rotation"] * np.float32([1, 1, -1]))
    assert "wanted <f4" in check(position=arrays["position"][1:])
    assert "not finite" in check(position=arrays["position"] * np.float32(np.nan))
    assert "lacks gravity" in " ".join(
        str(d) for d in check_world("x", {k: v for k, v in arrays.items() if k != "gravity"}, frames)
    )


def test_the_wrong_order_is_refused(sample: Sample, tmp_path: Path) -> None:
    members = encode_sample(sample)
    members[2], members[3] = members[3], members[2]
    with pytest.raises(ValueError, match="world.npz"), ShardWriter(tmp_path, "train") as writer:
        writer.write_members(sample.key, members)


def test_a_member_may_be_any_stream(sample: Sample) -> None:
    box = io.BytesIO()
    with tarfile.open(fileobj=box, mode="w", format=tarfile.USTAR_FORMAT) as tar:
        for suffix, raw in encode_sample(sample):
            info = tarfile.TarInfo(f"{sample.key}.{suffix}")
            info.size = len(raw)
            tar.addfile(info, io.BytesIO(raw))
    box.seek(0)
    ((key, members),) = read_members(box)
    assert key == sample.key and tuple(members) == MEMBERS_WITH_WORLD

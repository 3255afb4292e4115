"""Shards: deterministic bytes, atomic writes, correct offsets."""

import hashlib
import tarfile
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from humove.types import Sample
from shards.format import MEMBERS, encode_sample, format_shard_name
from shards.tars import BLOCK
from shards.writer import ShardWriter


def make_key(number: int) -> str:
    return f"{'e' * 16}-s{number:04d}-c0000-p00"


def make_members(size: int) -> list[tuple[str, bytes]]:
    return [(suffix, bytes([i]) * (size + i)) for i, suffix in enumerate(MEMBERS)]


sizes = st.lists(st.integers(0, 1500), min_size=1, max_size=12)


@settings(deadline=None, max_examples=50)
@given(sizes=sizes, max_bytes=st.integers(1, 20_000), max_samples=st.integers(1, 5))
def test_shards_hold_what_was_written(
    sizes: list[int], max_bytes: int, max_samples: int, tmp_path_factory: pytest.TempPathFactory
):
    folder = tmp_path_factory.mktemp("shards")
    with ShardWriter(folder, "train", first_number=7, max_bytes=max_bytes, max_samples=max_samples) as writer:
        places = [writer.write_members(make_key(i), make_members(size)) for i, size in enumerate(sizes)]
    assert [row.name for row in writer.shards] == [format_shard_name("train", 7 + i) for i in range(len(writer.shards))]
    assert sorted(path.name for path in folder.iterdir()) == [row.name for row in writer.shards]
    read: dict[str, list[tuple[str, bytes]]] = {}
    for row in writer.shards:
        raw = (folder / row.name).read_bytes()
        assert (row.bytes, row.sha256) == (len(raw), hashlib.sha256(raw).hexdigest())
        with tarfile.open(folder / row.name) as box:
            for entry in box:
                key, _, suffix = entry.name.partition(".")
                read.setdefault(key, []).append((suffix, box.extractfile(entry).read()))
        samples_here = [place for place in places if place.shard == row.name]
        assert row.num_samples == len(samples_here) <= max_samples
        full = sum(BLOCK + len(m) + -len(m) % BLOCK for p in samples_here for _, m in read[p.key])
        assert full <= max_bytes or row.num_samples == 1
        for place in samples_here:
            assert raw[place.mp4_offset : place.mp4_offset + place.mp4_bytes] == read[place.key][0][1]
    assert read == {make_key(i): make_members(size) for i, size in enumerate(sizes)}


def test_the_same_samples_give_the_same_bytes(make: SimpleNamespace, tmp_path: Path):
    for name in ("one", "two"):
        samples = make.samples()
        make.dataset(tmp_path / name, samples, make.outcomes(samples))
    files = sorted(path.relative_to(tmp_path / "one") for path in (tmp_path / "one").rglob("*") if path.is_file())
    assert len(files) == 7
    for file in files:
        assert (tmp_path / "one" / file).read_bytes() == (tmp_path / "two" / file).read_bytes(), file


def test_entries_have_no_time_and_no_user(samples: list[Sample], tmp_path: Path):
    with ShardWriter(tmp_path, "train") as writer:
        writer.write(samples[0])
    with tarfile.open(tmp_path / "train-000000.tar") as box:
        for entry in box:
            stamp = (entry.mtime, entry.uid, entry.gid, entry.mode, entry.uname, entry.gname, entry.pax_headers)
            assert stamp == (0, 0, 0, 0o644, "", "", {})


def test_keys_must_ascend(samples: list[Sample], tmp_path: Path):
    with ShardWriter(tmp_path, "train") as writer:
        writer.write(samples[1])
        for sample in samples[:2]:
            with pytest.raises(ValueError, match="in key order"):
                writer.write(sample)


def test_another_split_and_other_members_are_refused(samples: list[Sample], tmp_path: Path):
    with ShardWriter(tmp_path, "train") as writer:
        with pytest.raises(ValueError, match="is of split val"):
            writer.write(replace(samples[0], split="val"))
        with pytest.raises(ValueError, match="wanted"):
            writer.write_members(make_key(0), encode_sample(samples[0])[::-1])
        with pytest.raises(ValueError, match="not a sample key"):
            writer.write_members("../up", encode_sample(samples[0]))
    assert list(tmp_path.iterdir()) == []


def test_an_error_leaves_no_part_of_a_shard(samples: list[Sample], tmp_path: Path):
    with pytest.raises(RuntimeError, match="power cut"), ShardWriter(tmp_path, "train", max_samples=1) as writer:
        writer.write(samples[0])
        writer.write(samples[1])
        raise RuntimeError("power cut")
    assert [path.name for path in tmp_path.iterdir()] == ["train-000000.tar"]
    assert [row.name for row in writer.shards] == ["train-000000.tar"]


def test_memory_does_not_grow_with_the_shard(tmp_path: Path):
    import tracemalloc

    raw = make_members(200_000)
    with ShardWriter(tmp_path, "train") as writer:
        writer.write_members(make_key(0), raw)
        tracemalloc.start()
        for i in range(1, 40):
            writer.write_members(make_key(i), raw)
        _, peak = tracemalloc.get_traced_memory()
        tracemalloc.stop()
    assert writer.shards[0].bytes > 40_000_000
    assert peak < 3_000_000

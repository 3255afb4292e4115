"""Reading with our reader, and with common tools."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import fsspec
import numpy as np
import pyarrow.parquet as pq
import pytest
import webdataset

from humove.errors import UserError
from humove.types import Sample
from shards.reader import open_dataset

CHECKER = Path(__file__).resolve().parents[3] / "shared" / "tools" / "check_dataset.py"


def assert_same(a: Sample, b: Sample) -> None:
    assert (a.key, a.split, a.mp4, a.meta) == (b.key, b.split, b.mp4, b.meta)
    for name in type(a.motion).__slots__:
        np.testing.assert_array_equal(getattr(a.motion, name), getattr(b.motion, name))
    np.testing.assert_array_equal(a.pose2d.keypoints, b.pose2d.keypoints)
    np.testing.assert_array_equal(a.pose2d.scores, b.pose2d.scores)
    assert (a.pose2d.skeleton, a.pose2d.names) == (b.pose2d.skeleton, b.pose2d.names)


def test_samples_round_trip(built: Path, samples: list[Sample]):
    dataset = open_dataset(str(built))
    assert len(dataset) == 4
    assert dataset.keys() == tuple(sample.key for sample in samples)
    for got, true in zip(dataset.iterate_samples(), samples, strict=True):
        assert_same(got, true)
    assert [sample.key for sample in dataset.iterate_samples("val")] == [samples[3].key]
    assert list(dataset.iterate_metas()) == [sample.meta for sample in samples]


def test_any_sample_by_its_key(built: Path, samples: list[Sample]):
    dataset = open_dataset(str(built))
    for sample in reversed(samples):
        assert_same(dataset.get(sample.key), sample)
        assert dataset.read_mp4(sample.key) == sample.mp4
    with pytest.raises(UserError, match="has no sample nobody"):
        dataset.get("nobody")


def test_a_range_read_touches_its_own_sample_only(built: Path, samples: list[Sample], monkeypatch: pytest.MonkeyPatch):
    dataset = open_dataset(str(built))
    place = dataset.find_sample(samples[1].key)
    assert (place.start, place.mp4_offset) == (place.mp4_offset - 512, place.start + 512)
    after = (built / "shards" / place.shard).read_bytes()[place.start + place.size :]
    assert not after.strip(b"\0"), "the last sample of a shard ends where the tar's end mark begins"
    read, reads = dataset.store.read_range, []

    def record_read(name: str, start: int, end: int) -> bytes:
        reads.append((name, start, end))
        return read(name, start, end)

    monkeypatch.setattr(dataset.store, "read_range", record_read)
    assert_same(dataset.get(samples[1].key), samples[1])
    assert reads == [(place.file, place.start, place.start + place.size)]


def test_an_index_of_an_older_build_still_finds_each_sample(damaged: Path, samples: list[Sample]):
    table = pq.read_table(damaged / "index.parquet").drop_columns(["offset", "bytes"])
    pq.write_table(table, damaged / "index.parquet")
    dataset = open_dataset(str(damaged))
    for sample in samples:
        assert dataset.find_sample(sample.key).size is None
        assert_same(dataset.get(sample.key), sample)
        assert dataset.read_mp4(sample.key) == sample.mp4


def test_an_fsspec_url_reads_the_same(built: Path, samples: list[Sample]):
    memory = fsspec.filesystem("memory")
    memory.put(str(built), "/somewhere/set", recursive=True)
    try:
        dataset = open_dataset("memory://somewhere/set")
        assert_same(dataset.get(samples[2].key), samples[2])
        assert sum(1 for _ in dataset.iterate_samples()) == 4
    finally:
        memory.rm("/somewhere", recursive=True)


def test_only_what_dataset_json_lists_is_read(damaged: Path, make: SimpleNamespace):
    shutil.copy(damaged / "shards" / "val-000000.tar", damaged / "shards" / "train-000002.tar")
    make.edit_doc(damaged, lambda doc: doc["shards"].pop())
    assert [sample.split for sample in open_dataset(str(damaged)).iterate_samples()] == ["train"] * 3


def test_not_a_data_set(tmp_path: Path, damaged: Path):
    with pytest.raises(UserError, match=r"holds no dataset\.json; give the folder"):
        open_dataset(str(tmp_path))
    (damaged / "dataset.json").write_text('{"schema_version": 1')
    with pytest.raises(UserError, match=r"dataset\.json: the document: Invalid JSON"):
        open_dataset(str(damaged))


def test_plain_webdataset_reads_it(built: Path, samples: list[Sample]):
    url = str(built / "shards" / "train-000000.tar")
    got = list(webdataset.WebDataset(url, shardshuffle=False).decode())
    assert [each["__key__"] for each in got] == [sample.key for sample in samples[:2]]
    for each, sample in zip(got, samples, strict=False):
        np.testing.assert_array_equal(each["motion.npz"]["joints"], sample.motion.joints)
        assert list(each["pose2d.npz"]["names"]) == list(sample.pose2d.names)
        assert (each["txt"], each["json"], each["mp4"]) == (sample.meta["captions"]["full"], sample.meta, sample.mp4)


@pytest.mark.parametrize("by", ["folder", "shards"])
def test_hugging_face_datasets_reads_it(by: str, built: Path, samples: list[Sample], tmp_path: Path):
    how = f"{str(built)!r}" if by == "folder" else f"'webdataset', data_files={str(built / 'shards' / 'train-*.tar')!r}"
    script = f"""
import json
from datasets import Video, load_dataset
data = load_dataset({how}, split="train", cache_dir={str(tmp_path)!r}).cast_column("mp4", Video(decode=False))
rows = [(r["json"]["key"], r["txt"], len(r["motion.npz"]["joints"]), len(r["mp4"]["bytes"])) for r in data]
print(json.dumps(rows))
"""
    env = {"PATH": "", "HOME": str(tmp_path), "HF_HUB_OFFLINE": "1", "HF_HOME": str(tmp_path / "home")}
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    true = [[s.key, s.meta["captions"]["full"], s.meta["num_frames"], len(s.mp4)] for s in samples[:3]]
    assert json.loads(done.stdout) == true


def test_the_independent_checker_agrees(built: Path):
    if not CHECKER.is_file():
        pytest.skip("no shared/tools beside the repository")
    done = subprocess.run([sys.executable, str(CHECKER), str(built)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout.split(" jitter")[0]) == (0, "samples 4 shards 3 defects 0 faulted 0")

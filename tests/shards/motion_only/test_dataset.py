import io
import tarfile

import numpy as np
import pytest
import webdataset

from humove.errors import UserError
from shards.motion_only.dataset import open_motion_only
from shards.motion_only.schemas import (
    MOTION_FILE,
    MOTION_MEMBERS,
    CameraRecord,
    MotionBody,
    MotionOnlyMeta,
    MotionOnlySample,
    MotionSource,
)
from shards.motion_only.writer import MotionOnlyWriter
from shards.npz import MOTION_ARRAYS
from shards.schemas import Rights
from tests.shards.conftest import make_motion

KEYS = [f"{i:016x}-s0000-c0000-p00" for i in range(5)]


def make_sample(key: str, split: str = "train", caption: str = "someone läuft") -> MotionOnlySample:
    motion = make_motion(20, 0, seed=1)
    meta = MotionOnlyMeta(
        key=key,
        split=split,
        num_frames=20,
        fps="30000/1001",
        frame="camera",
        captions=(caption,) if caption else (),
        source=MotionSource(
            kind="amass", file="KIT/a.npz", name="", start_frame=0, end_frame=80, fps=120.0, frame="world_z_up"
        ),
        camera=CameraRecord(
            made="synthetic", rotation=((1, 0, 0), (0, 1, 0), (0, 0, 1)), translation=(0, 0, 3), azimuth_deg=0.0,
            pitch_deg=0.0, distance_m=3.0, width=832, height=480, fov_deg=55.0,
        ),
        body_model=MotionBody(name="anny", licence="", gender="", shape_source="proxy", source_betas=()),
        rights=Rights(),
    )  # fmt: skip
    return MotionOnlySample(motion=motion, meta=meta)


def write_set(folder, keys=KEYS, **limits):
    with MotionOnlyWriter(folder, **limits) as writer:
        for i, key in enumerate(keys):
            writer.write(make_sample(key, "val" if i == 3 else "train", caption="" if i == 1 else "someone läuft"))
            writer.add_kept(key)
        writer.add_left_out("b.npz", "unreadable", "no npz")
        writer.commit("amass", {"max_fps": 30})
    return folder


@pytest.fixture
def folder(tmp_path):
    return write_set(tmp_path / "set", max_samples=2)


def test_samples_round_trip(folder):
    data = open_motion_only(str(folder))
    assert len(data) == 5 and data.doc.inputs == 6 and data.doc.left_out == {"unreadable": 1}
    assert [row.name for row in data.list_shards("train")] == ["train-000000.tar", "train-000001.tar"]
    assert [s.key for s in data.iterate_samples("train")] == [KEYS[0], KEYS[1], KEYS[2], KEYS[4]]
    assert [s.key for s in data.iterate_samples()] == [KEYS[0], KEYS[1], KEYS[2], KEYS[4], KEYS[3]]
    assert data.doc.seconds == pytest.approx(5 * 20 * 1001 / 30000, abs=1e-3)
    for key in KEYS:
        read, written = data.get(key), make_sample(key)
        for name in MOTION_ARRAYS:
            np.testing.assert_array_equal(getattr(read.motion, name), getattr(written.motion, name))
    assert data.get(KEYS[0]).meta == make_sample(KEYS[0]).meta
    assert data.get(KEYS[1]).caption == ""


def test_the_index_has_a_row_per_sample(folder):
    rows = open_motion_only(str(folder)).read_index().to_pylist()
    assert [row["key"] for row in rows] == KEYS
    assert rows[0]["fps"] == pytest.approx(29.97, abs=0.01) and rows[3]["split"] == "val"
    assert rows[0]["source_frame"] == "world_z_up" and rows[0]["shape_source"] == "proxy"


def test_tars_are_plain_and_deterministic(folder, tmp_path):
    again = write_set(tmp_path / "again", max_samples=2)
    for path in sorted((folder / "shards").iterdir()):
        assert path.read_bytes() == (again / "shards" / path.name).read_bytes()
        with tarfile.open(path) as box:
            names = [entry.name for entry in box]
            assert all((e.mtime, e.uid, e.gid, e.mode) == (0, 0, 0, 0o644) for e in box)
        assert names == [f"{n.partition('.')[0]}.{m}" for n in names[::3] for m in MOTION_MEMBERS]
    assert (folder / MOTION_FILE).read_bytes() == (again / MOTION_FILE).read_bytes()
    assert (folder / "index.parquet").read_bytes() == (again / "index.parquet").read_bytes()


def test_plain_webdataset_reads_it(folder):
    rows = list(webdataset.WebDataset(str(folder / "shards" / "train-000000.tar"), shardshuffle=False).decode())
    assert [row["__key__"] for row in rows] == KEYS[:2]
    assert rows[0]["txt"] == "someone läuft" and rows[1]["txt"] == ""
    assert rows[0]["json"]["frame"] == "camera" and rows[0]["motion.npz"]["joints"].shape == (20, 24, 3)


def test_without_its_document_it_is_not_a_set(tmp_path):
    with pytest.raises(RuntimeError), MotionOnlyWriter(tmp_path / "set") as writer:
        writer.write(make_sample(KEYS[0]))
        raise RuntimeError
    assert not list((tmp_path / "set" / "shards").iterdir())
    with pytest.raises(UserError, match="holds no motion_dataset.json"):
        open_motion_only(str(tmp_path / "set"))


def test_keys_come_in_order_each_once(tmp_path):
    with MotionOnlyWriter(tmp_path / "set") as writer:
        writer.write(make_sample(KEYS[1]))
        for key in (KEYS[1], KEYS[0]):
            with pytest.raises(ValueError, match="key order"):
                writer.write(make_sample(key))


def test_shards_close_before_their_limit(tmp_path):
    size = sum(512 + len(raw) + -len(raw) % 512 for _, raw in make_sample(KEYS[0]).encode_members())
    folder = write_set(tmp_path / "set", max_bytes=3 * size)
    assert [row.num_samples for row in open_motion_only(str(folder)).list_shards("train")] == [3, 1]


@pytest.mark.parametrize("how", ["gone", "cut", "turned"])
def test_a_damaged_shard_is_one_line(folder, how):
    path = folder / "shards" / "train-000001.tar"
    raw = path.read_bytes()
    if how == "gone":
        path.unlink()
    else:
        path.write_bytes(raw[:3000] if how == "cut" else raw[:600] + io.BytesIO(raw).read(3000)[::-1] + raw[3600:])
    data = open_motion_only(str(folder))
    for read in (lambda: data.get(KEYS[2]), lambda: list(data.iterate_samples())):
        with pytest.raises(UserError, match="train-000001.tar is (missing|damaged)") as caught:
            read()
        assert "\n" not in str(caught.value) and caught.value.exit_code == 5


def test_an_unknown_key_and_another_version_are_one_line(folder):
    with pytest.raises(UserError, match="no sample nowhere"):
        open_motion_only(str(folder)).get("nowhere")
    path = folder / MOTION_FILE
    path.write_text(path.read_text().replace('"schema_version": 1', '"schema_version": 2'))
    with pytest.raises(UserError, match="schema_version"):
        open_motion_only(str(folder))

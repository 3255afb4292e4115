"""Training, latents and generation read data sets of an object store at the price of what they use."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from echomotion_model.data.batch import TENSORS
from echomotion_model.data.catalogue import SampleIndex
from echomotion_model.data.loader import Loader
from echomotion_model.generation.condition import read_sample_condition
from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.plan import plan_latents
from echomotion_model.latents.protocol import get_encoder_ids
from echomotion_model.latents.reader import open_latents
from echomotion_model.latents.stage import EncodeShard
from echomotion_model.train.config import load_train_config
from echomotion_model.train.dry_run import dry_run
from echomotion_model.train.inputs.motions import MotionIndex
from echomotion_model.train.loop import train
from humove.cli import app
from humove.errors import UserError
from shards.motion_only.dataset import open_motion_only
from shards.reader import Dataset, open_dataset
from tests.echomotion_model.data.sets import BUCKETS, make_loader_config, make_set
from tests.echomotion_model.importing.sample_files import make_motion_set
from tests.echomotion_model.latents.fakes import Load
from tests.s3_server import S3Server
from tests.shards.parts import upload

TRAINED = [
    "model.heads=2",
    "model.head_dim=24",
    "model.layers=1",
    "model.ffn_dim=64",
    "data.workers=0",
    "data.batch_size=2",
    "data.buckets={fps: 8, min_frames: 9, max_frames: 9, min_fps: 6, resolutions: [[96, 48], [48, 96]]}",
    "encoders.windows=1",
    "encoders.text_tokens=16",
    "phases.motion.steps=1",
    "phases.paired.steps=1",
    "validation.clips=0",
    "log.every=1",
]


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("remote") / "set")


@pytest.fixture
def stored(local: Path, s3: S3Server, tmp_path: Path) -> str:
    location = upload(local, f"{s3.make_bucket('training')}/{tmp_path.name}/set").location
    s3.reset()
    return location


def shard_bytes(s3: S3Server) -> int:
    return sum(one.bytes_out for one in s3.requests(path=r"\.tar"))


@pytest.mark.parametrize("workers", [0, 2])
def test_the_loader_reads_each_sample_once_and_nothing_else(
    local: Path, stored: str, s3: S3Server, workers: int
) -> None:
    dataset = open_dataset(stored)
    loader = Loader(dataset, make_loader_config(workers=workers))
    for got, true in zip(loader, Loader(open_dataset(local), make_loader_config()), strict=True):
        assert got.keys == true.keys
        for name in TENSORS:
            assert torch.equal(getattr(got, name), getattr(true, name)), name
    loader.close()
    if workers:
        return  # they read on into the next epoch
    index = SampleIndex(dataset, "train", BUCKETS)
    entries = [index.get_entry(int(row), bucket) for bucket, rows in index.members.items() for row in rows]
    used = sum(entry.size for entry in entries)
    assert used <= shard_bytes(s3) <= 1.1 * used + max(entry.size for entry in entries) * loader.padding
    assert len(s3.requests(path=r"\.tar")) == len(entries) + loader.padding
    assert s3.requests("HEAD", r"\.tar") == []


def test_motion_is_read_without_its_video(local: Path, stored: str, s3: S3Server) -> None:
    dataset, true = open_dataset(stored), open_dataset(local)
    index, same = MotionIndex(dataset, (), make_loader_config()), MotionIndex(true, (), make_loader_config())
    assert index.identity == same.identity
    rows = [int(row) for rows in index.members.values() for row in rows]
    for row in rows:
        got = index.read(row)
        np.testing.assert_array_equal(got.motion.body_pose, same.read(row).motion.body_pose)
        assert got.captions == same.read(row).captions
    places = [dataset.find_sample(index.get_row(row)["key"]) for row in rows]
    used = sum(place.start + place.size - place.after_mp4 for place in places)
    assert (len(s3.requests(path=r"\.tar")), shard_bytes(s3)) == (len(rows), used)


def test_a_motion_only_set_is_read_sample_by_sample(s3: S3Server, tmp_path: Path) -> None:
    folder = make_motion_set(tmp_path, people=4)
    store = upload(folder, f"{s3.make_bucket('training')}/{tmp_path.name}/motion")
    local, remote = open_motion_only(str(folder)), open_motion_only(store.location)
    s3.reset()
    for key in local.keys():  # noqa: SIM118
        got, true = remote.get(key), local.get(key)
        assert got.meta == true.meta
        np.testing.assert_array_equal(got.motion.transl, true.motion.transl)
    assert len(s3.requests(path=r"\.tar")) == len(local)
    assert shard_bytes(s3) <= sum(row.bytes for row in local.doc.shards)
    assert [sample.key for sample in remote.iterate_samples()] == list(local.keys())


def test_latents_of_a_stored_set_are_made_here_and_read_there(
    local: Path, stored: str, s3: S3Server, tmp_path: Path
) -> None:
    load, wanted = Load(), LatentsSettings(buckets=BUCKETS, seed=5, windows=2, dtype="float32")
    stage = EncodeShard(load)
    stage.setup()
    plan = plan_latents(stored, tmp_path / "latents", wanted, get_encoder_ids(*load("cpu")))
    for job in plan.jobs:
        stage.process(job)
    store = upload(tmp_path / "latents", f"{s3.make_bucket('training')}/{tmp_path.name}/latents")
    dataset: Dataset = open_dataset(stored)
    here = open_latents(str(tmp_path / "latents"), dataset, make_loader_config())
    there = open_latents(store.location, dataset, make_loader_config())
    keys = [key for key in dataset.keys() if key in here]  # noqa: SIM118
    s3.reset()
    for key in keys:
        assert torch.equal(there.read_window(key, 1).latents_CFhw, here.read_window(key, 1).latents_CFhw)
    assert {one.method for one in s3.requests()} == {"GET"} and len(s3.requests()) == len(keys) > 0
    assert torch.equal(there.read_null_text(), here.read_null_text())
    with pytest.raises(UserError, match="are missing or stale"):
        open_latents(f"{store.location}/nothing", dataset, make_loader_config())


def test_a_condition_is_read_once(local: Path, stored: str, s3: S3Server) -> None:
    index = SampleIndex(open_dataset(local), "train", BUCKETS)
    bucket, rows = next(iter(index.members.items()))
    key = index.get_entry(int(rows[0]), bucket).key
    s3.reset()
    got, true = (read_sample_condition(path, key, make_loader_config()) for path in (stored, str(local)))
    np.testing.assert_array_equal(got.video, true.video)
    np.testing.assert_array_equal(got.motion.body_pose, true.motion.body_pose)
    assert len(s3.requests(path=r"\.tar")) == 1
    assert shard_bytes(s3) == open_dataset(local).find_sample(key).size


def test_a_dry_run_reads_no_sample(local: Path, stored: str, s3: S3Server) -> None:
    config = load_train_config("tiny", ["data.buckets.resolutions=[[96, 48]]", "validation.clips=0"])
    assert dry_run(config, stored).counts == dry_run(config, str(local)).counts
    assert shard_bytes(s3) == 0


def test_a_store_that_loses_a_shard_gives_a_one_line_error(stored: str) -> None:
    dataset = open_dataset(stored)
    loader = Loader(dataset, make_loader_config(workers=1))
    dataset.store.write("shards/train-000000.tar", b"short")
    with pytest.raises(UserError, match=r"shards/train-000000.tar is damaged at sample") as caught:
        list(loader)
    assert "\n" not in str(caught.value)
    dataset.store.delete(["shards/train-000000.tar"])
    with pytest.raises(UserError, match=r"shards/train-000000.tar is missing"):
        list(Loader(dataset, make_loader_config(workers=0)))


def test_training_reads_a_stored_set_and_its_run_is_the_same(local: Path, stored: str, tmp_path: Path) -> None:
    config = load_train_config("tiny", TRAINED)
    assert train(config, stored, tmp_path / "there").step == train(config, str(local), tmp_path / "here").step == 2
    there, here = (
        [json.loads(line)["loss"] for line in (tmp_path / run / "metrics.jsonl").read_text().splitlines()]
        for run in ("there", "here")
    )
    assert there == here and len(here) == 2


def test_a_run_stays_on_this_machine(stored: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for options in ([], ["--dry-run"]):
        with pytest.raises(UserError, match=r"^OUT=s3://b/run: a run writes .*; give a folder of this machine.*$"):
            app(["train", stored, "s3://b/run", *options], standalone_mode=False)
    assert not any(tmp_path.iterdir())


def test_a_dry_run_of_a_stored_set_by_its_command(stored: str, capsys: pytest.CaptureFixture[str]) -> None:
    app(["train", stored, "run", "--dry-run", "--set", "data.buckets.resolutions=[[96, 48]]"], standalone_mode=False)
    assert "samples train" in capsys.readouterr().out


def test_a_sample_is_generated_from_a_stored_set(
    trained: Path, clips: Path, s3: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    store = upload(clips, f"{s3.make_bucket('training')}/{tmp_path.name}/clips")
    key = sorted(open_dataset(clips).keys())[0]
    for name, dataset in (("there", store.location), ("here", str(clips))):
        command = ["generate", str(trained), "video-to-motion", "--dataset", dataset, "--key", key]
        app([*command, "--out", str(tmp_path / name), "--steps", "1"], standalone_mode=False)
    assert str(tmp_path / "there" / "motion.npz") in capsys.readouterr().out
    assert (tmp_path / "there" / "motion.npz").read_bytes() == (tmp_path / "here" / "motion.npz").read_bytes()

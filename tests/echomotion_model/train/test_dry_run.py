"""What a dry run refuses, and the clips that validation falls back on."""

from pathlib import Path

import pytest

from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.plan import default_out, plan_latents
from echomotion_model.latents.stage import EncodeShard
from echomotion_model.train.config import TrainConfig, load_train_config
from echomotion_model.train.dry_run import dry_run
from echomotion_model.train.encoders import Encoders
from echomotion_model.train.validation import read_clips
from humove.errors import UserError
from shards.reader import open_dataset
from tests.echomotion_model.data.sets import SHAPES, make_sample, write_set
from tests.echomotion_model.encoders.folders import small_umt5, small_vae

TOO_SMALL = SHAPES[8]


def settings(*more: str) -> TrainConfig:
    return load_train_config("tiny", ["data.buckets.resolutions=[[96, 48]]", *more])


VAE = ("encoders.video=vae", "encoders.weights=none")


@pytest.fixture(scope="module")
def dataset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [("train", SHAPES[0]), ("train", SHAPES[0]), ("val", TOO_SMALL)]
    folder = tmp_path_factory.mktemp("small") / "set"
    return write_set(folder, [make_sample(number, *row) for number, row in enumerate(rows)])


@pytest.fixture(scope="module")
def encoded(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_set(tmp_path_factory.mktemp("encoded") / "set", [make_sample(0, "train", SHAPES[0])])
    load, data = Encoders(settings().encoders), settings().data
    wanted = LatentsSettings(buckets=data.buckets, seed=data.seed)
    stage = EncodeShard(load)
    stage.setup()
    for job in plan_latents(str(folder), default_out(str(folder)), wanted, load.ids()).jobs:
        stage.process(job)
    return folder


def refused(dataset: Path, *more: str) -> str:
    with pytest.raises(UserError) as told:
        dry_run(settings(*more), str(dataset))
    assert "\n" not in str(told.value)
    return str(told.value)


def test_validation_falls_back_on_clips_that_train(dataset: Path) -> None:
    clips = read_clips(open_dataset(str(dataset)), settings())
    assert [clip.video.shape[1:3] for clip in clips] == [(48, 96)] * 2
    assert "validation: 2 clips of split train" in dry_run(settings(), str(dataset)).lines
    assert "validation: 1 clips of split val" in dry_run(settings("data.buckets.max_upscale=3"), str(dataset)).lines
    assert "validation: none" in dry_run(settings("validation.clips=0"), str(dataset)).lines


def test_it_says_where_the_videos_come_from(dataset: Path, encoded: Path) -> None:
    lines = dry_run(settings(), str(encoded)).lines
    assert f"  1 windows in time of each clip, encoded in {encoded}/latents" in lines
    assert "  2 windows in time of each clip, to be encoded first" in dry_run(settings(), str(dataset)).lines
    drawn = dry_run(settings("encoders.windows=0"), str(dataset)).lines
    assert "  windows in time drawn anew at each pass, encoded as they come" in drawn


def test_latents_that_are_stale_or_missing_are_refused(dataset: Path, encoded: Path, tmp_path: Path) -> None:
    assert "made with seed 0, now 1" in refused(encoded, "data.seed=1")
    assert "made with lapped-dct" in refused(encoded, *VAE, f"encoders.vae={vae(tmp_path)}")
    assert "train-000000.tar: missing" in refused(dataset, f"encoders.latents={tmp_path}/nowhere")


def vae(folder: Path) -> Path:
    small_vae(folder / "vae")
    return folder / "vae"


def test_encoders_that_are_needed_must_be_there(dataset: Path, encoded: Path, tmp_path: Path) -> None:
    assert "encoders.vae is empty" in refused(dataset, *VAE)
    assert "encoders.vae is empty" in refused(encoded, *VAE)  # validation decodes
    assert dry_run(settings(*VAE, "validation.clips=0"), str(encoded))
    assert "encoders.vae: no folder" in refused(dataset, *VAE, f"encoders.vae={tmp_path}/nowhere")
    assert "encoders.umt5 is empty" in refused(dataset, "encoders.text=umt5")
    assert "encoders.umt5: no folder" in refused(dataset, "encoders.text=umt5", f"encoders.umt5={tmp_path}")
    small_umt5(tmp_path)
    assert dry_run(settings("encoders.text=umt5", f"encoders.umt5={tmp_path}"), str(dataset))


def test_weights_to_start_from_must_be_there(dataset: Path, tmp_path: Path) -> None:
    assert "no such file or folder of weights" in refused(dataset, f"encoders.weights={tmp_path}/nowhere")
    assert "0 .safetensors files" in refused(dataset, f"encoders.weights={tmp_path}")
    assert "encoders.weights is empty: give Wan's weights" in refused(dataset, "encoders.video=vae")


@pytest.mark.parametrize(
    ("more", "said"),
    [
        (("parallel.processes=3",), "batch_size 4 does not divide by 3 ranks"),
        (("parallel.processes=6", "parallel.sequence=2", "data.batch_size=6"), "batch_size 4 does not divide by 3"),
        (("parallel.processes=3", "parallel.sequence=2"), "parallel.sequence=2 does not divide the 3 processes"),
        (("parallel.sequence=3",), "parallel.sequence=3 does not divide the model's 2 heads"),
    ],
)
def test_batches_and_heads_must_divide(dataset: Path, more: tuple[str, ...], said: str) -> None:
    assert said in refused(dataset, *more)

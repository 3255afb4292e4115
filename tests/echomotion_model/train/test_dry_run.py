"""Errors of a dry run, and the clips that validation falls back to."""

from pathlib import Path

import pytest

from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.plan import get_default_out, plan_latents
from echomotion_model.latents.stage import EncodeShard
from echomotion_model.train.config import TrainConfig, load_train_config
from echomotion_model.train.dry_run import dry_run
from echomotion_model.train.inputs.encoders import Encoders
from echomotion_model.train.validation import read_validation_clips
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
    for job in plan_latents(str(folder), get_default_out(str(folder)), wanted, load.compute_ids()).jobs:
        stage.process(job)
    return folder


def get_error(dataset: Path, *more: str) -> str:
    with pytest.raises(UserError) as error:
        dry_run(settings(*more), str(dataset))
    assert "\n" not in str(error.value)
    return str(error.value)


def test_validation_falls_back_to_training_clips(dataset: Path) -> None:
    clips = read_validation_clips(open_dataset(str(dataset)), settings())
    assert [clip.video.shape[1:3] for clip in clips] == [(48, 96)] * 2
    assert "validation: 2 clips of split train" in dry_run(settings(), str(dataset)).lines
    assert "validation: 1 clips of split val" in dry_run(settings("data.buckets.max_upscale=3"), str(dataset)).lines
    assert "validation: none" in dry_run(settings("validation.clips=0"), str(dataset)).lines


def test_it_states_the_source_of_the_videos(dataset: Path, encoded: Path) -> None:
    lines = dry_run(settings(), str(encoded)).lines
    assert f"  1 time windows of each clip, encoded in {encoded}/latents" in lines
    assert "  2 time windows of each clip, to be encoded first" in dry_run(settings(), str(dataset)).lines
    lines = dry_run(settings("encoders.windows=0"), str(dataset)).lines
    assert "  new time windows in each epoch, encoded at every step" in lines


def test_stale_or_missing_latents_are_errors(dataset: Path, encoded: Path, tmp_path: Path) -> None:
    assert "made with seed 0, now 1" in get_error(encoded, "data.seed=1")
    assert "made with lapped-dct" in get_error(encoded, *VAE, f"encoders.vae={make_vae(tmp_path)}")
    assert "train-000000.tar: missing" in get_error(dataset, f"encoders.latents={tmp_path}/nowhere")


def make_vae(folder: Path) -> Path:
    small_vae(folder / "vae")
    return folder / "vae"


def test_required_encoders_must_exist(dataset: Path, encoded: Path, tmp_path: Path) -> None:
    assert "encoders.vae is empty" in get_error(dataset, *VAE)
    assert "encoders.vae is empty" in get_error(encoded, *VAE)  # validation decodes
    assert dry_run(settings(*VAE, "validation.clips=0"), str(encoded))
    assert "encoders.vae: no folder" in get_error(dataset, *VAE, f"encoders.vae={tmp_path}/nowhere")
    assert "encoders.umt5 is empty" in get_error(dataset, "encoders.text=umt5")
    assert "encoders.umt5: no folder" in get_error(dataset, "encoders.text=umt5", f"encoders.umt5={tmp_path}")
    small_umt5(tmp_path)
    assert dry_run(settings("encoders.text=umt5", f"encoders.umt5={tmp_path}"), str(dataset))


def test_initial_weights_must_exist(dataset: Path, tmp_path: Path) -> None:
    assert "no such file or folder of weights" in get_error(dataset, f"encoders.weights={tmp_path}/nowhere")
    assert "0 .safetensors files" in get_error(dataset, f"encoders.weights={tmp_path}")
    assert "encoders.weights is empty: set it to Wan's weights" in get_error(dataset, "encoders.video=vae")


@pytest.mark.parametrize(
    ("more", "message"),
    [
        (("parallel.processes=3",), "batch_size 4 does not divide by 3 ranks"),
        (
            ("parallel.processes=6", "parallel.ulysses_degree=2", "data.batch_size=6"),
            "batch_size 4 does not divide by 3",
        ),
        (
            ("parallel.processes=3", "parallel.ulysses_degree=2"),
            "parallel.ulysses_degree=2 does not divide the 3 processes",
        ),
        (("parallel.ulysses_degree=3",), "parallel.ulysses_degree=3 does not divide the model's 2 heads"),
    ],
)
def test_batches_and_heads_must_divide(dataset: Path, more: tuple[str, ...], message: str) -> None:
    assert message in get_error(dataset, *more)

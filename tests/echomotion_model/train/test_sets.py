"""The side shards of a run's sets: whose encoders made them."""

from pathlib import Path

import pytest

from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.plan import default_out, plan_latents
from echomotion_model.latents.protocol import EncoderLoader, ids_of
from echomotion_model.latents.stage import EncodeShard
from echomotion_model.train.config import TrainConfig, load_train_config
from echomotion_model.train.encoders import Encoders
from echomotion_model.train.sets import Sets, Sources, find_latents, open_sets
from echomotion_model.train.world import OneProcess
from humove.errors import UserError
from tests.echomotion_model.data.sets import SHAPES, make_sample, write_set
from tests.echomotion_model.encoders.folders import small_umt5, small_vae
from tests.echomotion_model.importing.made import make_motion_set
from tests.echomotion_model.latents.fakes import Load


def settings(*more: str) -> TrainConfig:
    return load_train_config("tiny", ["data.buckets.resolutions=[[96, 48]]", "encoders.windows=0", *more])


def encode(dataset: Path, load: EncoderLoader, out: Path | None = None) -> None:
    data = settings().data
    wanted = LatentsSettings(buckets=data.buckets, seed=data.seed)
    stage = EncodeShard(load)
    stage.setup()
    plan = plan_latents(str(dataset), out or default_out(str(dataset)), wanted, ids_of(*load("cpu")))
    for job in plan.jobs:
        stage.process(job)


@pytest.fixture
def paired(tmp_path: Path) -> Path:
    return write_set(tmp_path / "paired", [make_sample(number, "train", SHAPES[0]) for number in range(2)])


@pytest.fixture
def motion(tmp_path: Path) -> Path:
    return make_motion_set(tmp_path, people=1)


def opened(config: TrainConfig, paired: Path, *motion: Path) -> Sets:
    return open_sets(str(paired), [str(each) for each in motion], config)


def refused(config: TrainConfig, paired: Path, *motion: Path) -> str:
    with pytest.raises(UserError) as told:
        Sources(
            opened(config, paired, *motion), config, paired.parent / "run", Encoders(config.encoders), OneProcess(),
            lambda line: None,
        )  # fmt: skip
    assert "\n" not in str(told.value)
    return str(told.value)


def test_latents_of_other_encoders_are_stale(paired: Path) -> None:
    encode(paired, Load())
    said = refused(settings(), paired)
    assert "made with means aaaaaaaaaaaa, now lapped-dct" in said and "humove latents" in said


def test_latents_of_another_folder_are_stale(paired: Path, tmp_path: Path) -> None:
    small_vae(tmp_path / "vae"), small_umt5(tmp_path)
    named = ("encoders.video=vae", "encoders.text=umt5", f"encoders.vae={tmp_path / 'vae'}")
    config = settings(*named, f"encoders.umt5={tmp_path}")
    encode(paired, Encoders(config.encoders))
    assert find_latents(opened(config, paired), config, Encoders(config.encoders)) != [None]
    words = tmp_path / "tokenizer" / "tokenizer.json"
    words.write_text(words.read_text().replace("jumps", "leaps"))
    assert "made with umt5" in refused(config, paired)
    unknown = settings(*named)  # nobody says which UMT5 it is: what was used is taken
    assert find_latents(opened(unknown, paired), unknown, Encoders(unknown.encoders)) != [None]


def test_motion_only_sets_are_held_to_the_text_encoder_alone(paired: Path, motion: Path) -> None:
    encode(motion, Load())
    assert "made with words bbbbbbbbbbbb, now all-minilm" in refused(settings(), paired, motion)
    config = settings("encoders.text=umt5")
    assert find_latents(opened(config, paired, motion), config, Encoders(config.encoders))[1] is not None


def test_the_texts_of_all_sets_are_of_one_encoder(paired: Path, motion: Path) -> None:
    encode(paired, Encoders(settings().encoders))
    encode(motion, Load())
    said = refused(settings("encoders.text=umt5"), paired, motion)
    assert f"the texts of {paired}/latents were made with all-minilm" in said
    assert f"those of {motion}/latents with words bbbbbbbbbbbb" in said


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_latents_may_lie_elsewhere(paired: Path, tmp_path: Path, scheme: str) -> None:
    encode(paired, Load())  # those in the set's own folder, which are not meant
    encode(paired, Encoders(settings().encoders), tmp_path / "elsewhere")
    config = settings(f"encoders.latents={scheme}{tmp_path}/elsewhere")
    (found,) = find_latents(opened(config, paired), config, Encoders(config.encoders))
    assert found.path == config.encoders.latents and len(found) == 2
    said = refused(settings(f"encoders.latents={scheme}{tmp_path}/nowhere"), paired)
    assert f"{tmp_path}/nowhere: the latents of 1 of 1 shards are missing" in said
    assert "Protocol not known: foo" in refused(settings("encoders.latents=foo://bar"), paired)


@pytest.mark.parametrize("dataset", ["s3://bucket/set", "s3://bucket/set/", "out/set"])
def test_latents_lie_in_the_sets_own_folder(dataset: str) -> None:
    assert default_out(dataset) == f"{dataset.rstrip('/')}/latents"

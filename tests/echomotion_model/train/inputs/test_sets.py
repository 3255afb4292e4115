"""The latents of a run's sets: which encoders they must have."""

from pathlib import Path

import pytest

from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.plan import get_default_out, plan_latents
from echomotion_model.latents.protocol import EncoderLoader, get_encoder_ids
from echomotion_model.latents.stage import EncodeShard
from echomotion_model.train.config import TrainConfig, load_train_config
from echomotion_model.train.inputs.encoders import Encoders
from echomotion_model.train.inputs.sets import BatchSources, TrainSets, find_latents, open_sets
from echomotion_model.train.run.dist_context import SingleProcess
from humove.errors import UserError
from tests.echomotion_model.data.sets import SHAPES, make_sample, write_set
from tests.echomotion_model.encoders.folders import small_umt5, small_vae
from tests.echomotion_model.importing.sample_files import make_motion_set
from tests.echomotion_model.latents.fakes import Load


def settings(*more: str) -> TrainConfig:
    return load_train_config("tiny", ["data.buckets.resolutions=[[96, 48]]", "encoders.windows=0", *more])


def encode(dataset: Path, load: EncoderLoader, out: Path | None = None) -> None:
    data = settings().data
    wanted = LatentsSettings(buckets=data.buckets, seed=data.seed)
    stage = EncodeShard(load)
    stage.setup()
    plan = plan_latents(str(dataset), out or get_default_out(str(dataset)), wanted, get_encoder_ids(*load("cpu")))
    for job in plan.jobs:
        stage.process(job)


@pytest.fixture
def paired(tmp_path: Path) -> Path:
    return write_set(tmp_path / "paired", [make_sample(number, "train", SHAPES[0]) for number in range(2)])


@pytest.fixture
def motion(tmp_path: Path) -> Path:
    return make_motion_set(tmp_path, people=1)


def open_all(config: TrainConfig, paired: Path, *motion: Path) -> TrainSets:
    return open_sets(str(paired), [str(each) for each in motion], config)


def get_error(config: TrainConfig, paired: Path, *motion: Path) -> str:
    with pytest.raises(UserError) as error:
        BatchSources(
            open_all(config, paired, *motion), config, paired.parent / "run", Encoders(config.encoders),
            SingleProcess(), lambda line: None,
        )  # fmt: skip
    assert "\n" not in str(error.value)
    return str(error.value)


def test_latents_of_other_encoders_are_stale(paired: Path) -> None:
    encode(paired, Load())
    message = get_error(settings(), paired)
    assert "made with means aaaaaaaaaaaa, now lapped-dct" in message and "humove latents" in message


def test_latents_of_another_folder_are_stale(paired: Path, tmp_path: Path) -> None:
    small_vae(tmp_path / "vae"), small_umt5(tmp_path)
    named = ("encoders.video=vae", "encoders.text=umt5", f"encoders.vae={tmp_path / 'vae'}")
    config = settings(*named, f"encoders.umt5={tmp_path}")
    encode(paired, Encoders(config.encoders))
    assert find_latents(open_all(config, paired), config, Encoders(config.encoders)) != [None]
    words = tmp_path / "tokenizer" / "tokenizer.json"
    words.write_text(words.read_text().replace("jumps", "leaps"))
    assert "made with umt5" in get_error(config, paired)
    unknown = settings(*named)  # the UMT5 is not configured: any is accepted
    assert find_latents(open_all(unknown, paired), unknown, Encoders(unknown.encoders)) != [None]


def test_motion_only_sets_need_only_the_text_encoder_to_match(paired: Path, motion: Path) -> None:
    encode(motion, Load())
    assert "made with words bbbbbbbbbbbb, now all-minilm" in get_error(settings(), paired, motion)
    config = settings("encoders.text=umt5")
    assert find_latents(open_all(config, paired, motion), config, Encoders(config.encoders))[1] is not None


def test_captions_of_all_sets_need_one_encoder(paired: Path, motion: Path) -> None:
    encode(paired, Encoders(settings().encoders))
    encode(motion, Load())
    message = get_error(settings("encoders.text=umt5"), paired, motion)
    assert f"the captions of {paired}/latents were encoded with all-minilm" in message
    assert f"those of {motion}/latents with words bbbbbbbbbbbb" in message


@pytest.mark.parametrize("scheme", ["", "file://"])
def test_latents_can_be_in_another_folder(paired: Path, tmp_path: Path, scheme: str) -> None:
    encode(paired, Load())  # in the set's own folder, which is not used
    encode(paired, Encoders(settings().encoders), tmp_path / "elsewhere")
    config = settings(f"encoders.latents={scheme}{tmp_path}/elsewhere")
    (found,) = find_latents(open_all(config, paired), config, Encoders(config.encoders))
    assert found.path == config.encoders.latents and len(found) == 2
    message = get_error(settings(f"encoders.latents={scheme}{tmp_path}/nowhere"), paired)
    assert f"{tmp_path}/nowhere: the latents of 1 of 1 shards are missing" in message
    assert "Protocol not known: foo" in get_error(settings("encoders.latents=foo://bar"), paired)


@pytest.mark.parametrize("dataset", ["s3://bucket/set", "s3://bucket/set/", "out/set"])
def test_latents_are_in_the_sets_own_folder(dataset: str) -> None:
    assert get_default_out(dataset) == f"{dataset.rstrip('/')}/latents"

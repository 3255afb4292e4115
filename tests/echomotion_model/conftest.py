"""A run that was trained for a few steps: enough to load and to sample from, too few to know anything."""

from pathlib import Path

import pytest

from echomotion_model.train.config import load_train_config
from echomotion_model.train.loop import train
from tests.echomotion_model.data.sets import SHAPES, make_sample, write_set

_SETTINGS = [
    "model.heads=2",
    "model.head_dim=24",
    "model.layers=1",
    "model.ffn_dim=64",
    "data.workers=0",
    "data.buckets.resolutions=[[96, 48], [64, 64], [48, 96]]",
    "encoders.windows=0",
    "encoders.text_tokens=16",
    "phases.motion.steps=4",
    "phases.paired.steps=8",
    "checkpoint.every=6",
    "validation.clips=0",
    "validation.sampling.steps=3",
    "validation.sampling.w2=1.5",
    "ema.decay=0.9",
]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of six clips that train and two that don't; read only."""
    rows = [*(("train", SHAPES[i]) for i in (0, 4, 11, 1, 2, 5)), ("val", SHAPES[0]), ("val", SHAPES[1])]
    folder = tmp_path_factory.mktemp("clips") / "set"
    return write_set(folder, [make_sample(number, *row) for number, row in enumerate(rows)])


@pytest.fixture(scope="session")
def trained(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the checkpoints of steps 6 and 12; read only."""
    out = tmp_path_factory.mktemp("trained") / "run"
    assert train(load_train_config("tiny", _SETTINGS), str(clips), out).step == 12
    return out

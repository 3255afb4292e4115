"""The command; and a run that was trained for a few steps: enough to load and to sample from, too few to know much."""

import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pytest

from echomotion_model.train.config import load_train_config
from echomotion_model.train.loop import train
from humove.cli import main
from humove.types import Sample
from tests.echomotion_model.data.sets import SHAPES, make_sample, write_set

_SETTINGS = [
    "model.heads=2",
    "model.head_dim=24",
    "model.layers=1",
    "model.ffn_dim=64",
    "data.workers=0",
    "data.batch_size=2",
    "data.buckets={fps: 8, min_frames: 9, max_frames: 9, min_fps: 6, resolutions: [[96, 48], [64, 64], [48, 96]]}",
    "encoders.windows=0",
    "encoders.text_tokens=16",
    "phases.motion.steps=4",
    "phases.paired.steps=8",
    "checkpoint.every=6",
    "validation.clips=0",
    "validation.sampling.steps=3",
    "validation.sampling.condition_guidance_scale=1.5",
    "ema.decay=0.9",
]


@pytest.fixture(scope="session")
def clips(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A data set of six clips that train and two that don't; read only."""
    rows = [*(("train", SHAPES[i]) for i in (0, 4, 11, 1, 2, 5)), ("val", SHAPES[0]), ("val", SHAPES[1])]
    folder = tmp_path_factory.mktemp("clips") / "set"
    return write_set(folder, [_as_built(make_sample(number, *row)) for number, row in enumerate(rows)])


def _as_built(sample: Sample) -> Sample:
    """With raw motion that was smoothed since, as in a set that was built."""
    raw = sample.motion.raw_body_pose
    shaken = (raw + 0.01 * (-1.0) ** np.arange(len(raw))[:, None, None]).astype(np.float32)
    return replace(sample, motion=replace(sample.motion, raw_body_pose=shaken))


@pytest.fixture(scope="session")
def trained(clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with the checkpoints of steps 6 and 12; read only."""
    out = tmp_path_factory.mktemp("trained") / "run"
    assert train(load_train_config("tiny", _SETTINGS), str(clips), out).step == 12
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """How a command ended."""

    code: int
    stdout: str
    stderr: str


@pytest.fixture
def humove(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> Iterator[Callable[..., Done]]:
    """The command `humove` with arguments, in this process."""

    def call(*arguments: object) -> Done:
        monkeypatch.setattr(sys, "argv", ["humove", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as ended:
            main()
        output = capsys.readouterr()
        return Done(code=ended.value.code, stdout=output.out, stderr=output.err)

    kept = signal.getsignal(signal.SIGTERM)
    yield call
    signal.signal(signal.SIGTERM, kept)

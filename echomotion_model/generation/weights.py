"""A trained run's weights, read from one of its checkpoints."""

from dataclasses import dataclass
from pathlib import Path

from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.motion.normalizer import Normalizer
from echomotion_model.train.checkpoint import (
    CHECKPOINTS_FOLDER,
    RunState,
    check_model,
    checkpoints,
    load_tensors,
    read_state,
)  # fmt: skip
from echomotion_model.train.config import CONFIG_FILE, TrainConfig, load_train_config
from echomotion_model.train.loop import PHASES
from echomotion_model.train.lora import merge_lora
from echomotion_model.train.sets import NORMALIZER_FILE
from echomotion_model.train.start import start_model
from echomotion_model.train.state import named
from humove.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedWeights:
    """A checkpoint's weights, and what they were trained with."""

    path: Path
    checkpoint: Path
    state: RunState
    averaged: bool
    """Whether these are the averaged weights."""
    config: TrainConfig
    normalizer: Normalizer
    model: EchoMotionTransformer
    """With its adapters added into the weights."""

    @property
    def step(self) -> int:
        """Steps that these weights were trained for."""
        return int(self.checkpoint.name.partition("-")[2])

    @property
    def warning(self) -> str:
        """What whoever samples from it must know, in one line; empty where there is nothing."""
        if self.state.phase == PHASES[-1]:
            return ""
        return (
            f"{self.path}: {self.checkpoint.name} is of phase 1, which trains motion alone: its video branch is not "
            "trained, so video that is made, and motion that is made from video, mean nothing; go on training first"
        )


def open_weights(run: Path, *, checkpoint: str | None = None, use_ema: bool = True) -> TrainedWeights:
    """Reads the folder that training wrote: float32 weights, on the CPU.

    checkpoint: its name or its step; None: the last. use_ema: the averaged weights, where the run keeps them.
    UserError where there is no such run or checkpoint.
    """
    if not (run / CONFIG_FILE).is_file():
        raise UserError(f"{run} holds no {CONFIG_FILE}; give the folder of a training run")
    config = load_train_config(str(run / CONFIG_FILE), [])
    chosen = _checkpoint(run, checkpoint)
    state = read_state(chosen)
    check_model(chosen, state, config.model.model_dump(mode="json"), config.lora.model_dump(mode="json"))
    model = start_model(config, resumed=True)
    averaged = use_ema and bool(state.ema_updates)
    load_tensors(chosen, {f"{'ema' if averaged else 'model'}.{name}": each.data for name, each in named(model)})
    return TrainedWeights(
        path=run,
        checkpoint=chosen,
        state=state,
        averaged=averaged,
        config=config,
        normalizer=Normalizer.load(run / NORMALIZER_FILE),
        model=merge_lora(model).requires_grad_(False).eval(),
    )


def _checkpoint(run: Path, wanted: str | None) -> Path:
    there = checkpoints(run)
    if not there:
        raise UserError(f"{run} has no checkpoint yet; train it until {CHECKPOINTS_FOLDER}/ holds one")
    if wanted is None:
        return there[-1]
    for path in there:
        if path.name == wanted or path.name.partition("-")[2].lstrip("0") == wanted.lstrip("0"):
            return path
    raise UserError(f"{run} has no checkpoint {wanted!r}; it has {', '.join(path.name for path in there)}")

"""The weights of a trained run's checkpoint."""

from dataclasses import dataclass
from pathlib import Path

from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.motion.normalizer import Normalizer
from echomotion_model.train.config import CONFIG_FILE, TrainConfig, load_train_config
from echomotion_model.train.inputs.sets import NORMALIZER_FILE
from echomotion_model.train.loop import PHASES
from echomotion_model.train.lora import merge_lora
from echomotion_model.train.run.checkpoint import (
    CHECKPOINTS_FOLDER,
    RunState,
    check_model,
    list_checkpoints,
    load_tensors,
    read_state,
)  # fmt: skip
from echomotion_model.train.run.init import init_model
from echomotion_model.train.run.state import list_parameters
from humove.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedWeights:
    """A checkpoint's weights and the configuration of their training."""

    path: Path
    checkpoint: Path
    state: RunState
    averaged: bool
    """Whether these are the averaged (EMA) weights."""
    config: TrainConfig
    normalizer: Normalizer
    model: EchoMotionTransformer
    """With its adapters merged into the weights."""

    @property
    def step(self) -> int:
        """Number of training steps of these weights."""
        return int(self.checkpoint.name.partition("-")[2])

    @property
    def warning(self) -> str:
        """A warning for those who sample from it, in one line; empty if there is none."""
        if self.state.phase == PHASES[-1]:
            return ""
        return (
            f"{self.path}: {self.checkpoint.name} is of phase 1, which trains motion alone: its video branch is not "
            "trained, so generated video, and motion from video, are meaningless; resume training first"
        )


def open_weights(run: Path, *, checkpoint: str | None = None, use_ema: bool = True) -> TrainedWeights:
    """Open a run's folder: float32 weights, on the CPU.

    checkpoint: its name or its step; None: the last. use_ema: the averaged weights, if the run has them.
    UserError if there is no such run or checkpoint.
    """
    if not (run / CONFIG_FILE).is_file():
        raise UserError(f"{run} holds no {CONFIG_FILE}; give the folder of a training run")
    config = load_train_config(str(run / CONFIG_FILE), [], warn=False)
    chosen = _find_checkpoint(run, checkpoint)
    state = read_state(chosen)
    check_model(chosen, state, config.model.model_dump(mode="json"), config.lora.model_dump(mode="json"))
    model = init_model(config, resumed=True)
    averaged = use_ema and bool(state.ema_updates)
    load_tensors(
        chosen, {f"{'ema' if averaged else 'model'}.{name}": each.data for name, each in list_parameters(model)}
    )
    return TrainedWeights(
        path=run,
        checkpoint=chosen,
        state=state,
        averaged=averaged,
        config=config,
        normalizer=Normalizer.load(run / NORMALIZER_FILE),
        model=merge_lora(model).requires_grad_(False).eval(),
    )


def _find_checkpoint(run: Path, wanted: str | None) -> Path:
    found = list_checkpoints(run)
    if not found:
        raise UserError(f"{run} has no checkpoint yet; train it until {CHECKPOINTS_FOLDER}/ holds one")
    if wanted is None:
        return found[-1]
    for path in found:
        if path.name == wanted or path.name.partition("-")[2].lstrip("0") == wanted.lstrip("0"):
            return path
    raise UserError(f"{run} has no checkpoint {wanted!r}; it has {', '.join(path.name for path in found)}")

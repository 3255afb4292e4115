"""A run's folder, for those that use what it has learned."""

from dataclasses import dataclass
from pathlib import Path

from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.motion.normalizer import Normalizer
from echomotion_model.train.checkpoint import check_model, checkpoints, load_tensors, read_state
from echomotion_model.train.config import CONFIG_FILE, TrainConfig, load_train_config
from echomotion_model.train.lora import merge_lora
from echomotion_model.train.sets import NORMALIZER_FILE
from echomotion_model.train.start import start_model
from echomotion_model.train.state import named
from humove.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainedRun:
    """What a run has come to."""

    config: TrainConfig
    model: EchoMotionTransformer
    """float32, on the CPU; adapters are merged into its weights."""
    normalizer: Normalizer
    step: int


def open_run(path: Path, *, average: bool = True) -> TrainedRun:
    """The last checkpoint of a run; `average` takes the weights' average where the run keeps one. UserError where
    there is no run, or no checkpoint yet."""
    if not (path / CONFIG_FILE).is_file():
        raise UserError(f"{path} holds no {CONFIG_FILE}: give the folder of a training run")
    config = load_train_config(str(path / CONFIG_FILE), [])
    found = checkpoints(path)
    if not found:
        raise UserError(f"{path} has no checkpoint yet: train it further")
    state = read_state(found[-1])
    check_model(found[-1], state, config.model.model_dump(mode="json"), config.lora.model_dump(mode="json"))
    model = start_model(config, resumed=True)
    kind = "ema" if average and state.ema_updates else "model"
    load_tensors(found[-1], {f"{kind}.{name}": parameter.detach() for name, parameter in named(model)})
    return TrainedRun(
        config=config,
        model=merge_lora(model).eval(),
        normalizer=Normalizer.load(path / NORMALIZER_FILE),
        step=state.step,
    )

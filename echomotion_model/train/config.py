"""The configuration of a training run: one YAML, checked, resolved, and saved with the run."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field

from echomotion_model.data.config import LoaderConfig
from echomotion_model.diffusion.flow import FlowConfig
from echomotion_model.diffusion.sampler import SamplingConfig
from echomotion_model.diffusion.tasks import TaskConfig
from echomotion_model.model.config import PRESETS as MODEL_PRESETS
from echomotion_model.model.config import ModelConfig
from echomotion_model.model.config import preset_names as model_names
from echomotion_model.train.ema import EmaConfig
from echomotion_model.train.lora import LoraConfig
from echomotion_model.train.optimizer import OptimizerConfig, PhaseConfig
from echomotion_model.train.parallel.config import ParallelConfig
from humove.config import Strict
from humove.errors import UserError
from humove.settings import checked, override, read_mapping, read_preset

PRESETS = Path(__file__).with_name("presets")
_EXAMPLE = "data: {batch_size: 4}"
CONFIG_FILE = "config.yaml"


class EncodersConfig(Strict):
    """What turns pictures and captions into numbers, and what it has made of them. Paths of encoders are folders on
    this machine; nothing is downloaded."""

    video: Literal["dct", "vae"] = Field("dct", description="dct: a fixed transform; vae: Wan's, from a folder")
    vae: str = Field("", description="folder of an AutoencoderKLWan, as diffusers saves it")
    text: Literal["sentence", "umt5"] = Field("sentence", description="all-MiniLM-L6; or Wan's, from a folder")
    umt5: str = Field("", description="folder with Wan's tokenizer and text_encoder, as diffusers lays them out")
    stride: int = Field(8, ge=1, description="px that a latent is wide and high: 8 of Wan2.1's VAE, 16 of Wan2.2's")
    latents: str = Field(
        "", description="folder or URL of the data set's latents, from humove latents --out; empty: those in "
        "DATASET/latents, where there are any",
    )  # fmt: skip
    windows: int = Field(
        0, ge=0, le=100, description="windows in time of each clip that are encoded before training, in the run's "
        "own folder, where the data set has no latents; 0: pictures are encoded at every step",
    )  # fmt: skip
    text_tokens: int = Field(512, ge=1, le=512, description="tokens of a caption; shorter ones are filled with zeros")
    weights: str = Field("", description="folder or file of Wan's weights to start from; none: from nothing")


class LossConfig(Strict):
    """The sum that is made smaller: each modality's mean squared error, times its weight."""

    video: float = Field(1.0, ge=0, allow_inf_nan=False, description="weight of the video's error")
    motion: float = Field(1.0, ge=0, allow_inf_nan=False, description="weight of the motion's error")


class MotionPhaseConfig(PhaseConfig):
    """The first phase: motion alone, with the video branch frozen and its inputs left out."""

    batch_size: int = Field(1, ge=1, description="samples a batch, over all ranks together; a multiple of the ranks")
    train_shared: bool = Field(
        False, description="whether the embedders of text and time train too: they must, where nothing was loaded"
    )


class PhasesConfig(Strict):
    """Both phases, one after the other; data.batch_size is that of the second."""

    motion: MotionPhaseConfig = MotionPhaseConfig()
    paired: PhaseConfig = PhaseConfig()


class CheckpointConfig(Strict):
    """When a run saves itself. It also does at the end of each phase, and when it is told to stop."""

    every: int = Field(500, ge=1, description="steps between two checkpoints")
    keep: int = Field(2, ge=1, description="how many of the last checkpoints are kept")


class LogConfig(Strict):
    """What is noted down, and how often."""

    every: int = Field(1, ge=1, description="steps between two lines of metrics.jsonl")


class ValidationConfig(Strict):
    """Samples that are made on the way, to be looked at."""

    every: int = Field(0, ge=0, description="steps between two rounds; 0: at the end alone")
    clips: int = Field(2, ge=0, description="clips that each mode is tried on; 0: none")
    split: str = Field("val", description="split of these clips; the training split where none of it fits a bucket")
    sampling: SamplingConfig = SamplingConfig()


class TrainConfig(Strict):
    """Every setting of a run. A key that is not here is an error."""

    model: ModelConfig
    parallel: ParallelConfig = ParallelConfig()
    data: LoaderConfig = LoaderConfig()
    encoders: EncodersConfig = EncodersConfig()
    flow: FlowConfig = FlowConfig()
    tasks: TaskConfig = TaskConfig()
    loss: LossConfig = LossConfig()
    optimizer: OptimizerConfig = OptimizerConfig()
    phases: PhasesConfig = PhasesConfig()
    ema: EmaConfig = EmaConfig()
    lora: LoraConfig = LoraConfig()
    checkpoint: CheckpointConfig = CheckpointConfig()
    log: LogConfig = LogConfig()
    validation: ValidationConfig = ValidationConfig()


def load_train_config(preset: str, overrides: list[str]) -> TrainConfig:
    """A preset (a name, or a path to a YAML) with `section.key=value` on top; UserError names what is wrong."""
    settings = read_preset(preset, PRESETS, _EXAMPLE)
    override(settings, overrides, "phases.paired.steps=100")
    settings["model"] = _model(settings.get("model"))
    config = checked(TrainConfig, settings)
    _check_tokens(config)
    _check_shared(config)
    return config


def config_text(config: TrainConfig) -> str:
    """The resolved configuration as YAML; `load_train_config` reads it back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _check_tokens(config: TrainConfig) -> None:
    """UserError where a picture of some resolution is no whole number of tokens."""
    stride = config.encoders.stride
    high, wide = (stride * patch for patch in config.model.patch[1:])
    for width, height in config.data.buckets.resolutions:
        if width % wide or height % high:
            raise UserError(
                f"configuration: data.buckets.resolutions has {width}x{height}; a token of this model is {wide}x{high} "
                f"px (encoders.stride {stride} times model.patch): give multiples of these"
            )


def _check_shared(config: TrainConfig) -> None:
    """UserError where weights that adapters freeze are to train."""
    if config.lora.rank and config.phases.motion.train_shared:
        raise UserError(
            "configuration: phases.motion.train_shared is true, but with lora.rank the embedders of text and time are "
            "frozen: set phases.motion.train_shared=false, or lora.rank=0"
        )


def _model(section: Any) -> Any:
    """The model's settings: those given, on top of the model preset that `preset` names, where it does."""
    if not isinstance(section, dict) or "preset" not in section:
        return section
    given = dict(section)
    name = given.pop("preset")
    if name not in model_names():
        raise UserError(f"configuration: model.preset is {name!r}: choose one of {', '.join(model_names())}")
    return {**read_mapping(MODEL_PRESETS / f"{name}.yaml", _EXAMPLE), **given}

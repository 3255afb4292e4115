"""The configuration of a training run: one YAML that is validated, resolved and saved with the run."""

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
from echomotion_model.model.config import list_presets as model_names
from echomotion_model.train.ema import EmaConfig
from echomotion_model.train.lora import LoraConfig
from echomotion_model.train.optimizer import OptimizerConfig, PhaseConfig
from echomotion_model.train.parallel.config import ParallelConfig
from humove.config.settings import (
    apply_overrides,
    parse_config,
    read_mapping,
    read_preset,
    rename_settings,
    warn_of_renamed,
)
from humove.config.strict import Strict
from humove.errors import UserError

PRESETS = Path(__file__).with_name("presets")
_EXAMPLE = "data: {batch_size: 4}"
CONFIG_FILE = "config.yaml"
RENAMED = {
    "tasks.drop": "tasks.cfg_dropout",
    "tasks.drop_text": "tasks.text_dropout",
    "parallel.keep": "parallel.activation_checkpointing",
    "parallel.sequence": "parallel.ulysses_degree",
    "validation.sampling.w1": "validation.sampling.text_guidance_scale",
    "validation.sampling.w2": "validation.sampling.condition_guidance_scale",
}
"""Settings by their former names, which are read in this version only."""
_CHECKPOINTING = {
    "nothing": "full",
    "attention": "selective-attention",
    "projections": "selective-projections",
    "products": "selective-products",
    "everything": "none",
}
"""Values of the former parallel.keep, which named what is stored."""


class EncodersConfig(Strict):
    """The encoders of videos and captions, and their stored outputs. Paths of encoders are folders on this machine;
    nothing is downloaded."""

    video: Literal["dct", "vae"] = Field("dct", description="dct: a fixed transform; vae: Wan's, from a folder")
    vae: str = Field("", description="folder of an AutoencoderKLWan in diffusers' layout")
    text: Literal["sentence", "umt5"] = Field(
        "sentence", description="sentence: all-MiniLM-L6; umt5: Wan's, from a folder"
    )
    umt5: str = Field("", description="folder with Wan's tokenizer and text_encoder in diffusers' layout")
    stride: int = Field(8, ge=1, description="px per latent in width and height: 8 for Wan2.1's VAE, 16 for Wan2.2's")
    latents: str = Field(
        "", description="folder or URL of the data set's latents, from humove latents --out; empty: "
        "DATASET/latents, if it exists",
    )  # fmt: skip
    windows: int = Field(
        0, ge=0, le=100, description="time windows of each clip that are encoded into the run's folder before "
        "training, if the data set has no latents; 0: frames are encoded at every step",
    )  # fmt: skip
    text_tokens: int = Field(512, ge=1, le=512, description="tokens of a caption; shorter ones are padded with zeros")
    weights: str = Field("", description="folder or file of Wan's weights to start from; none: random weights")


class LossConfig(Strict):
    """Weights of the modalities in the loss, which is the weighted sum of their mean squared errors."""

    video: float = Field(1.0, ge=0, allow_inf_nan=False, description="weight of the video's error")
    motion: float = Field(1.0, ge=0, allow_inf_nan=False, description="weight of the motion's error")


class MotionPhaseConfig(PhaseConfig):
    """The first phase: motion only, with the video branch frozen and without its inputs."""

    batch_size: int = Field(1, ge=1, description="samples per batch over all ranks; a multiple of the number of ranks")
    train_shared: bool = Field(
        False, description="whether the text and time embedders train too; needed if no weights were loaded"
    )


class PhasesConfig(Strict):
    """The two phases, in order; data.batch_size belongs to the second."""

    motion: MotionPhaseConfig = MotionPhaseConfig()
    paired: PhaseConfig = PhaseConfig()


class CheckpointConfig(Strict):
    """When a run saves checkpoints. It also saves at the end of each phase and when it is stopped."""

    every: int = Field(500, ge=1, description="steps between checkpoints")
    keep: int = Field(2, ge=1, description="number of latest checkpoints to keep")


class LogConfig(Strict):
    """How often metrics are logged."""

    every: int = Field(1, ge=1, description="steps between lines of metrics.jsonl")


class ValidationConfig(Strict):
    """Samples that are drawn and measured during training."""

    every: int = Field(0, ge=0, description="steps between validations; 0: only at the end")
    clips: int = Field(2, ge=0, description="clips that each mode is sampled for; 0: none")
    split: str = Field("val", description="split of these clips; the training split if none of its clips fits a bucket")
    sampling: SamplingConfig = SamplingConfig()


class TrainConfig(Strict):
    """All settings of a run. Unknown keys are errors."""

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


def load_train_config(preset: str, overrides: list[str], *, warn: bool = True) -> TrainConfig:
    """Read a preset (a name, or a path to a YAML) and apply `section.key=value` overrides.

    Former names of settings are accepted; with `warn` one line lists them. UserError names what is wrong.
    """
    moved: list[str] = []
    settings = read_preset(preset, PRESETS, _EXAMPLE, lambda found: moved.extend(_rename_old_settings(found)))
    for override in overrides:
        name, equals, value = (part.strip() for part in override.partition("="))
        if equals and name in RENAMED:
            value = _CHECKPOINTING.get(value, value) if name == "parallel.keep" else value
            override = f"{RENAMED[name]}={value}"
            moved.append(f"{name} is now {RENAMED[name]}")
        apply_overrides(settings, [override], "phases.paired.steps=100")
    moved += _rename_old_settings(settings)  # of overrides that set a whole section
    if warn:
        warn_of_renamed(list(dict.fromkeys(moved)))
    settings["model"] = _resolve_model(settings.get("model"))
    config = parse_config(TrainConfig, settings)
    _check_tokens(config)
    _check_shared(config)
    return config


def format_config(config: TrainConfig) -> str:
    """Format the resolved configuration as YAML that `load_train_config` reads."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _rename_old_settings(settings: dict[str, Any]) -> list[str]:
    """Move settings to their present names, and map former values; return "old is now new" of each."""
    parallel = settings.get("parallel")
    if isinstance(parallel, dict) and "keep" in parallel:
        parallel["keep"] = _CHECKPOINTING.get(str(parallel["keep"]), parallel["keep"])
    return rename_settings(settings, RENAMED)


def _check_tokens(config: TrainConfig) -> None:
    """Raise UserError if a resolution is not a whole number of tokens."""
    stride = config.encoders.stride
    high, wide = (stride * patch for patch in config.model.patch[1:])
    for width, height in config.data.buckets.resolutions:
        if width % wide or height % high:
            raise UserError(
                f"configuration: data.buckets.resolutions has {width}x{height}; a token of this model is {wide}x{high} "
                f"px (encoders.stride {stride} times model.patch): set multiples of these"
            )


def _check_shared(config: TrainConfig) -> None:
    """Raise UserError if weights that adapters freeze are set to train."""
    if config.lora.rank and config.phases.motion.train_shared:
        raise UserError(
            "configuration: phases.motion.train_shared is true, but with lora.rank the text and time embedders are "
            "frozen: set phases.motion.train_shared=false, or lora.rank=0"
        )


def _resolve_model(section: Any) -> Any:
    """Merge the model's settings into the model preset that `preset` names, if any."""
    if not isinstance(section, dict) or "preset" not in section:
        return section
    given = dict(section)
    name = given.pop("preset")
    if name not in model_names():
        raise UserError(f"configuration: model.preset is {name!r}: choose one of {', '.join(model_names())}")
    return {**read_mapping(MODEL_PRESETS / f"{name}.yaml", _EXAMPLE), **given}

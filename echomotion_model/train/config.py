"""The configuration of a training run: one YAML, checked, resolved, and saved with the run."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import BaseModel, Field, ValidationError

from echomotion_model.data.config import LoaderConfig
from echomotion_model.diffusion.flow import FlowConfig
from echomotion_model.diffusion.sampler import SamplingConfig
from echomotion_model.diffusion.tasks import TaskConfig
from echomotion_model.model.config import PRESETS as MODEL_PRESETS
from echomotion_model.model.config import ModelConfig
from echomotion_model.model.config import preset_names as model_names
from echomotion_model.train.checkpoint import CheckpointConfig
from echomotion_model.train.ema import EmaConfig
from echomotion_model.train.lora import LoraConfig
from echomotion_model.train.optimizer import OptimizerConfig, PhaseConfig
from echomotion_model.train.parallel.config import ParallelConfig
from humove.config import Strict
from humove.errors import UserError

PRESETS = Path(__file__).with_name("presets")
CONFIG_FILE = "config.yaml"


class EncodersConfig(Strict):
    """What turns pictures and captions into numbers. Paths are folders on this machine; nothing is downloaded."""

    video: Literal["dct", "vae"] = Field("dct", description="dct: a fixed transform; vae: Wan's, from a folder")
    vae: str = Field("", description="folder of an AutoencoderKLWan, as diffusers saves it")
    text: Literal["sentence", "umt5"] = Field("sentence", description="all-MiniLM-L6; or Wan's, from a folder")
    umt5: str = Field("", description="folder with Wan's tokenizer and text_encoder, as diffusers lays them out")
    stride: int = Field(8, ge=1, description="px that a latent is wide and high: 8 of Wan2.1's VAE, 16 of Wan2.2's")
    windows: int = Field(
        0, ge=0, le=100, description="windows in time of each clip that are encoded before training, in the run's "
        "own folder, where the data set has no latents; 0: pictures are encoded at every step",
    )  # fmt: skip
    text_tokens: int = Field(512, ge=1, le=512, description="tokens of a caption; shorter ones are filled with zeros")
    weights: str = Field("", description="folder or file of Wan's weights to start from; empty: from nothing")


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


class LogConfig(Strict):
    """What is noted down, and how often."""

    every: int = Field(1, ge=1, description="steps between two lines of metrics.jsonl")


class ValidationConfig(Strict):
    """Samples that are made on the way, to be looked at."""

    every: int = Field(0, ge=0, description="steps between two rounds; 0: at the end alone")
    clips: int = Field(2, ge=0, description="clips that each mode is tried on; 0: none")
    split: str = Field("val", description="split of these clips; the training split where this one has none")
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
    settings = _read_preset(preset)
    for override in overrides:
        dotted, equals, value = override.partition("=")
        if not equals:
            raise UserError(f"SET {override!r}: write section.key=value, as in phases.paired.steps=100")
        _put(settings, dotted.strip().split("."), _value(override, value), override)
    settings["model"] = _model(settings.get("model"))
    try:
        return TrainConfig.model_validate(settings)
    except ValidationError as e:
        raise UserError(_explain(e)) from e


def preset_names() -> list[str]:
    return sorted(p.stem for p in PRESETS.glob("*.yaml"))


def config_text(config: TrainConfig) -> str:
    """The resolved configuration as YAML; `load_train_config` reads it back."""
    return yaml.safe_dump(config.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def _read_preset(preset: str) -> dict[str, Any]:
    path = PRESETS / f"{preset}.yaml" if preset in preset_names() else Path(preset)
    if not path.is_file():
        raise UserError(f"PRESET={preset}: no such preset or file; presets are: {', '.join(preset_names())}")
    return _mapping(path)


def _mapping(path: Path) -> dict[str, Any]:
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UserError(f"{path}: not YAML: {' '.join(str(e).split())}") from e
    if not isinstance(settings, dict):
        raise UserError(f"{path}: a preset is a mapping of sections, as in 'data: {{batch_size: 4}}'")
    return {section: values for section, values in settings.items() if values is not None}


def _model(section: Any) -> Any:
    """The model's settings: those given, on top of the model preset that `preset` names, where it does."""
    if not isinstance(section, dict) or "preset" not in section:
        return section
    given = dict(section)
    name = given.pop("preset")
    if name not in model_names():
        raise UserError(f"configuration: model.preset is {name!r}: choose one of {', '.join(model_names())}")
    return {**_mapping(MODEL_PRESETS / f"{name}.yaml"), **given}


def _value(override: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise UserError(f"SET {override!r}: {text!r} is not a YAML value") from e


def _put(settings: dict[str, Any], keys: list[str], value: Any, override: str) -> None:
    for key in keys[:-1]:
        settings = settings.setdefault(key, {})
        if not isinstance(settings, dict):
            raise UserError(f"SET {override!r}: {key} is a value, not a section")
    settings[keys[-1]] = value


def _explain(error: ValidationError) -> str:
    """The first thing wrong, with the keys that would have been right."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section: Any = TrainConfig
        for part in first["loc"][:-1]:
            section = section.model_fields[str(part)].annotation
        if isinstance(section, type) and issubclass(section, BaseModel):
            return f"configuration: no setting {where!r}; settings there: {', '.join(section.model_fields)}"
    return f"configuration: {where} is {first['input']!r}: {first['msg']}"

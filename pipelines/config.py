"""The configuration of a build: one YAML, checked, resolved, hashed, and saved with the data set."""

from pathlib import Path
from typing import Any, Literal

import yaml
from pydantic import Field, ValidationError

from annotators.captions.config import CaptionConfig
from annotators.main_person import TrackConfig
from annotators.motion_quality import QualityConfig
from humove.config import Strict
from humove.errors import UserError
from humove.video.crop import CropConfig
from humove.video.encode import EncodeConfig
from pipelines.marks import MarksConfig, resolved
from pipelines.splits import SplitsConfig
from pipelines.stages.cuts import SplitConfig
from pipelines.stages.motion import MotionConfig
from pipelines.stages.pose2d import Pose2DConfig
from pipelines.stages.screen import ScreenConfig
from shards.near_duplicates import DedupConfig

PRESETS = Path(__file__).with_name("presets")


class FramesConfig(Strict):
    """The decoded pictures that everything after the cuts works on."""

    max_short_side: int = Field(1080, ge=240, le=4320, description="larger videos are decoded down to this, px")


class ShardsConfig(Strict):
    """How samples are packed."""

    max_samples: int = Field(1000, ge=1, description="samples in one shard at the most")
    max_megabytes: int = Field(1024, ge=1, description="video in one shard at the most, MB")


class ExecutionConfig(Strict):
    """Where the work is done. Nothing here changes a byte of the data set, so none of it is hashed."""

    executor: Literal["local", "ray"] = "local"
    workers: int = Field(0, ge=0, description="worker processes; 0: one a core, or all that the cluster has")
    address: str = Field("", description="a running Ray cluster: ray://HOST:10001, or auto; empty: this machine")
    retries: int = Field(1, ge=0, le=10, description="further tries after a fault")
    max_fault_share: float = Field(0.02, ge=0, le=1, description="a larger share of faulted units stops a build")
    unit_seconds: float = Field(120.0, gt=1, description="long videos are scanned in units of about this length")
    group_seconds: float = Field(60.0, gt=1, description="clips that a remote video is fetched for at a time")
    scratch: str = Field("", description="folder for decoded frames while a clip is worked on; empty: the system's own")


class BuildConfig(Strict):
    """Every setting of a build. A key that is not here is an error."""

    frames: FramesConfig = FramesConfig()
    split: SplitConfig = SplitConfig()
    screen: ScreenConfig = ScreenConfig()
    dedup: DedupConfig = DedupConfig()
    marks: MarksConfig = MarksConfig()
    track: TrackConfig = TrackConfig()
    crop: CropConfig = CropConfig()
    pose2d: Pose2DConfig = Pose2DConfig()
    motion: MotionConfig = MotionConfig()
    quality: QualityConfig = QualityConfig()
    caption: CaptionConfig = CaptionConfig()
    encode: EncodeConfig = EncodeConfig()
    splits: SplitsConfig = SplitsConfig()
    shards: ShardsConfig = ShardsConfig()
    score_only: bool = Field(False, description="store every score and drop nothing that can be annotated")
    execution: ExecutionConfig = ExecutionConfig()

    def data_settings(self) -> dict[str, Any]:
        """All that the data set depends on: everything but where the work is done."""
        return self.model_dump(mode="json", exclude={"execution": True, "marks": {"file"}})


def load_config(preset: str, overrides: list[str]) -> BuildConfig:
    """A preset (a name, or a path to a YAML) with `section.key=value` on top; UserError names what is wrong."""
    return configured(_read_preset(preset), overrides)


def configured(settings: dict, overrides: list[str]) -> BuildConfig:
    """Settings by section, as a preset or dataset.json holds them, with `section.key=value` on top."""
    for override in overrides:
        dotted, equals, value = override.partition("=")
        if not equals:
            raise UserError(f"SET {override!r}: write section.key=value, as in dedup.near=off")
        _put(settings, dotted.strip().split("."), _value(override, value), override)
    try:
        config = BuildConfig.model_validate(settings)
    except ValidationError as e:
        raise UserError(_explain(e)) from e
    return config.model_copy(update={"marks": resolved(config.marks)})


def preset_names() -> list[str]:
    return sorted(p.stem for p in PRESETS.glob("*.yaml"))


def _read_preset(preset: str) -> dict:
    path = PRESETS / f"{preset}.yaml" if preset in preset_names() else Path(preset)
    if not path.is_file():
        raise UserError(f"PRESET={preset}: no such preset or file; presets are: {', '.join(preset_names())}")
    try:
        settings = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    except (yaml.YAMLError, UnicodeDecodeError) as e:
        raise UserError(f"{path}: not YAML: {' '.join(str(e).split())}") from e
    if not isinstance(settings, dict):
        raise UserError(f"{path}: a preset is a mapping of sections, as in 'dedup: {{near: off}}'")
    return {section: values for section, values in settings.items() if values is not None}


def _value(override: str, text: str) -> Any:
    try:
        return yaml.safe_load(text)
    except yaml.YAMLError as e:
        raise UserError(f"SET {override!r}: {text!r} is not a YAML value") from e


def _put(settings: dict, keys: list[str], value: Any, override: str) -> None:
    for key in keys[:-1]:
        settings = settings.setdefault(key, {})
        if not isinstance(settings, dict):
            raise UserError(f"SET {override!r}: {key} is a value, not a section")
    settings[keys[-1]] = value


def differences(before: dict, after: dict, prefix: str = "") -> list[str]:
    """What two resolved configurations differ in, a text each."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        a, b = before.get(key), after.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += differences(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} {a} -> {b}")
    return found


def _explain(error: ValidationError) -> str:
    """The first thing wrong, with the keys that would have been right."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    if first["type"] == "extra_forbidden":
        section: Any = BuildConfig
        for part in first["loc"][:-1]:
            section = section.model_fields[str(part)].annotation
        return f"configuration: no setting {where!r}; settings there: {', '.join(section.model_fields)}"
    return f"configuration: {where} is {first['input']!r}: {first['msg']}"

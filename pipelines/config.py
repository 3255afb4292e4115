"""The configuration of a build: one YAML, checked, resolved, hashed, and saved with the data set."""

from pathlib import Path
from typing import Any, Literal

from pydantic import Field

from annotators.captions.config import CaptionConfig
from annotators.main_person import TrackConfig
from annotators.motion_quality import QualityConfig
from humove.config import Strict
from humove.settings import checked, override, read_preset
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
    return configured(read_preset(preset, PRESETS, "dedup: {near: off}"), overrides)


def configured(settings: dict, overrides: list[str]) -> BuildConfig:
    """Settings by section, as a preset or dataset.json holds them, with `section.key=value` on top."""
    override(settings, overrides, "dedup.near=off")
    config = checked(BuildConfig, settings)
    return config.model_copy(update={"marks": resolved(config.marks)})


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

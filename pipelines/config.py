"""The configuration of a build: validated, hashed, and saved with the data set."""

import re
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator

from annotators.aesthetic import AestheticConfig
from annotators.captions.config import CaptionConfig
from annotators.categories.config import CategoryConfig
from annotators.frame_quality.config import FrameQualityConfig
from annotators.main_person import TrackConfig
from annotators.motion_quality.config import QualityConfig
from annotators.registry import KINDS, create_annotator, drop_other_annotators, get_own_settings, get_section_name
from annotators.weights.user_files import pin_weights
from humove.config.settings import apply_overrides, parse_config, read_preset, rename_settings, warn_of_renamed
from humove.config.strict import Strict
from humove.near_duplicates.index import DedupConfig
from humove.stage import Rights
from humove.video.crop import CropConfig
from humove.video.encode import EncodeConfig
from pipelines.labels import LabelsConfig, pin_labels
from pipelines.splits import SplitsConfig
from pipelines.stages.motion import MotionConfig
from pipelines.stages.pose2d import Pose2DConfig
from pipelines.stages.screen import ScreenConfig
from pipelines.stages.shots.cuts import SplitConfig

PRESETS = Path(__file__).with_name("presets")
RENAMED = {"picture": "frame_quality", "marks": "labels"}
"""Sections by their former names, which are read in this version only."""


class FramesConfig(Strict):
    """The decoded frames that all stages after the cuts use."""

    max_short_side: int = Field(
        1080, ge=240, le=4320, description="larger videos are downscaled to this when decoded, px"
    )


class ShardsConfig(Strict):
    """Limits of a shard."""

    max_samples: int = Field(1000, ge=1, description="maximum samples in a shard")
    max_megabytes: int = Field(1024, ge=1, description="maximum video in a shard, MB")


GpuStep = Literal["split", "track", "pose2d", "motion", "aesthetic", "caption", "category"]
"""The steps whose annotators may run on a GPU."""


class InputsConfig(Strict):
    """Reading of VIDEOS."""

    ignore_columns: tuple[str, ...] = Field((), description="columns of a manifest that are ignored")


class ExecutionConfig(Strict):
    """Where the build runs. Nothing here changes the data set, so it is not hashed."""

    executor: Literal["local", "ray"] = "local"
    workers: int = Field(
        0, ge=0, description="worker processes; 0: one for each core that this process may use, or all of the cluster"
    )
    address: str = Field(
        "", description="a running Ray cluster: auto on one of its nodes, or HOST:6379; empty: this machine"
    )
    retries: int = Field(1, ge=0, le=10, description="retries after a fault")
    max_fault_share: float = Field(
        0.02, ge=0, le=1, description="a build ends with exit code 4 if more than this share of the units, and more "
        "than 10, faulted; what succeeded is committed"
    )  # fmt: skip
    batch_videos: int = Field(10_000, ge=1, description="videos in a batch, which is packed and committed as a whole")
    unit_seconds: float = Field(
        120.0, gt=1, description="videos longer than 1.5 times this are processed in spans of about this length"
    )
    flush_seconds: float = Field(
        60.0, gt=0, description="interval at which measurements are saved; a killed worker loses at most this"
    )
    cache_megabytes: int = Field(20_000, ge=1, description="maximum downloaded videos that a machine keeps, MB")
    scratch: str = Field("", description="folder for downloads and temporary files; empty: the system's")
    gpus: dict[GpuStep, float] = Field(
        {},
        description="the share of a GPU for each copy of an annotator's network, as in {track: 0.25, motion: 0.5}: "
        "four and two copies on each GPU, in separate processes that the workers call; other steps, and annotators "
        "that only run on the CPU, use none",
    )

    @field_validator("gpus")
    @classmethod
    def _check_shares(cls, gpus: dict[str, float]) -> dict[str, float]:
        if any(not 0 < share <= 1 for share in gpus.values()):
            raise ValueError("each share must be above 0 and at most 1")
        return gpus


class BuildConfig(Strict):
    """All settings of a build. Unknown keys are errors."""

    frames: FramesConfig = FramesConfig()
    split: SplitConfig = SplitConfig()
    screen: ScreenConfig = ScreenConfig()
    dedup: DedupConfig = DedupConfig()
    labels: LabelsConfig = LabelsConfig()
    track: TrackConfig = TrackConfig()
    crop: CropConfig = CropConfig()
    frame_quality: FrameQualityConfig = FrameQualityConfig()
    aesthetic: AestheticConfig = AestheticConfig()
    pose2d: Pose2DConfig = Pose2DConfig()
    motion: MotionConfig = MotionConfig()
    quality: QualityConfig = QualityConfig()
    caption: CaptionConfig = CaptionConfig()
    category: CategoryConfig = CategoryConfig()
    encode: EncodeConfig = EncodeConfig()
    splits: SplitsConfig = SplitsConfig()
    shards: ShardsConfig = ShardsConfig()
    allow: tuple[Rights, ...] = Field(
        ("permissive",),
        description="rights allowed for the code and weights of annotators: permissive, agpl, non-commercial",
    )
    score_only: bool = Field(False, description="store all scores and drop no clip that can be annotated")
    inputs: InputsConfig = InputsConfig()
    execution: ExecutionConfig = ExecutionConfig()

    def get_data_settings(self) -> dict[str, Any]:
        """Return the settings that the data set depends on: without execution, and without annotators not in use."""
        data = super().get_data_settings()
        del data["execution"], data["inputs"], data["labels"]["file"]
        for kind in KINDS:
            name = get_section_name(kind)
            data[name] = drop_other_annotators(kind, getattr(self, name), data[name])
        return data

    def get_annotators(self) -> dict[str, Strict]:
        """Return the section of each kind of annotator in use."""
        sections = {kind: getattr(self, get_section_name(kind)) for kind in KINDS}
        return {kind: section for kind, section in sections.items() if getattr(section, "enabled", True)}

    def get_gpu_shares(self) -> dict[str, float]:
        """Return the share of a GPU of each step that can use one."""
        sections = self.get_annotators().items()
        used = {
            get_section_name(kind) for kind, s in sections if not getattr(create_annotator(kind, s), "cpu_only", False)
        }
        used |= {"split"} if self.split.detector == "transnetv2" else set()
        return {step: share for step, share in self.execution.gpus.items() if step in used}

    def get_device(self, step: str) -> str:
        """Return the torch device of a step's annotator."""
        return "cuda" if step in self.get_gpu_shares() else "cpu"

    def pin_files(self) -> Self:
        """Return a copy with the sha256 of every file of the chosen annotators filled in."""
        update = {}
        for kind, section in self.get_annotators().items():
            own = get_own_settings(kind, section)
            if own is not None and own is not section:
                fields = type(section).model_fields
                update[get_section_name(kind)] = section.model_copy(
                    update={name: pin_weights(own) for name in fields if getattr(section, name) is own}
                )
        return self.model_copy(update=update)


def load_config(preset: str, overrides: list[str]) -> BuildConfig:
    """Read presets (names, or paths to YAML files, separated by commas; later ones override earlier ones) and apply
    `section.key=value` overrides. UserError names what is wrong."""
    moved: list[str] = []
    settings = read_preset(
        preset, PRESETS, "dedup: {near: off}", lambda found: moved.extend(rename_settings(found, RENAMED))
    )
    return _make_config(settings, overrides, moved)


def make_config(settings: dict[str, Any], overrides: list[str]) -> BuildConfig:
    """Make the configuration of the settings in a dataset.json, with `section.key=value` overrides."""
    return _make_config(rename_sections(settings), overrides, [])


def rename_sections(settings: dict[str, Any]) -> dict[str, Any]:
    """Return the settings of an existing data set with the present names of sections."""
    renamed = dict(settings)
    rename_settings(renamed, RENAMED)
    return renamed


def _make_config(settings: dict[str, Any], overrides: list[str], moved: list[str]) -> BuildConfig:
    """Apply overrides and validate; `moved` lists the sections that the settings gave by former names."""
    for index, override in enumerate(overrides):
        section = re.split("[.=]", override.strip(), maxsplit=1)[0]
        if section in RENAMED:
            overrides = [*overrides[:index], override.replace(section, RENAMED[section], 1), *overrides[index + 1 :]]
            moved = [*moved, f"{section} is now {RENAMED[section]}"]
    warn_of_renamed(list(dict.fromkeys(moved)))
    apply_overrides(settings, overrides, "dedup.near=off")
    config = parse_config(BuildConfig, settings)
    return config.model_copy(update={"labels": pin_labels(config.labels)})


def compare_settings(before: dict, after: dict, prefix: str = "") -> list[str]:
    """List the differences of two resolved configurations, as texts."""
    found = []
    for key in sorted(before.keys() | after.keys()):
        a, b = before.get(key), after.get(key)
        if isinstance(a, dict) and isinstance(b, dict):
            found += compare_settings(a, b, f"{prefix}{key}.")
        elif a != b:
            found.append(f"{prefix}{key} {a} -> {b}")
    return found

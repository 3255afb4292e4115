"""The configuration of a build: one YAML, checked, resolved, hashed, and saved with the data set."""

from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, field_validator

from annotators.aesthetic import AestheticConfig
from annotators.captions.config import CaptionConfig
from annotators.categories.config import CategoryConfig
from annotators.main_person import TrackConfig
from annotators.motion_quality import QualityConfig
from annotators.picture.config import PictureConfig
from annotators.registry import KINDS, chosen, own_settings, section_name, without_others
from annotators.user_weights import pinned
from humove.config import Strict
from humove.near_duplicates import DedupConfig
from humove.settings import checked, override, read_preset
from humove.stage import Rights
from humove.video.crop import CropConfig
from humove.video.encode import EncodeConfig
from pipelines.marks import MarksConfig, resolved
from pipelines.splits import SplitsConfig
from pipelines.stages.cuts import SplitConfig
from pipelines.stages.motion import MotionConfig
from pipelines.stages.pose2d import Pose2DConfig
from pipelines.stages.screen import ScreenConfig

PRESETS = Path(__file__).with_name("presets")


class FramesConfig(Strict):
    """The decoded pictures that everything after the cuts works on."""

    max_short_side: int = Field(1080, ge=240, le=4320, description="larger videos are decoded down to this, px")


class ShardsConfig(Strict):
    """How samples are packed."""

    max_samples: int = Field(1000, ge=1, description="samples in one shard at the most")
    max_megabytes: int = Field(1024, ge=1, description="video in one shard at the most, MB")


GpuStep = Literal["split", "track", "pose2d", "motion", "aesthetic", "caption", "category"]
"""The steps whose annotators may run on a GPU."""


class InputsConfig(Strict):
    """How VIDEOS is read."""

    ignore_columns: tuple[str, ...] = Field((), description="columns of a manifest that are passed over")


class ExecutionConfig(Strict):
    """Where the work is done. Nothing here changes a byte of the data set, so none of it is hashed."""

    executor: Literal["local", "ray"] = "local"
    workers: int = Field(
        0, ge=0, description="worker processes; 0: one for each core that this process may use, or all of the cluster"
    )
    address: str = Field(
        "", description="a running Ray cluster: auto on one of its nodes, or HOST:6379; empty: this machine"
    )
    retries: int = Field(1, ge=0, le=10, description="further tries after a fault")
    max_fault_share: float = Field(
        0.02, ge=0, le=1, description="where more than this share of the units faulted, and more than 10, a build ends "
        "with exit code 4; what succeeded is committed all the same"
    )  # fmt: skip
    batch_videos: int = Field(10_000, ge=1, description="videos in one batch, which is packed and committed as a whole")
    unit_seconds: float = Field(
        120.0, gt=1, description="videos longer than one and a half times this are worked on in spans of about it"
    )
    flush_seconds: float = Field(
        60.0, gt=0, description="how often what was measured is saved: a kill costs each worker no more than this"
    )
    cache_megabytes: int = Field(20_000, ge=1, description="downloaded videos that a machine keeps at the most, MB")
    scratch: str = Field("", description="folder for downloads and temporary files; empty: the system's own")
    gpus: dict[GpuStep, float] = Field(
        {},
        description="the share of a GPU that each copy of an annotator's network takes, as in {track: 0.25, motion: "
        "0.5}: four and two copies on each GPU, in processes of their own, which the workers call; steps that are not "
        "named, and annotators that run on the CPU alone, take none",
    )

    @field_validator("gpus")
    @classmethod
    def _check_shares(cls, gpus: dict[str, float]) -> dict[str, float]:
        if any(not 0 < share <= 1 for share in gpus.values()):
            raise ValueError("shares are above 0, and 1 at the most")
        return gpus


class BuildConfig(Strict):
    """Every setting of a build. A key that is not here is an error."""

    frames: FramesConfig = FramesConfig()
    split: SplitConfig = SplitConfig()
    screen: ScreenConfig = ScreenConfig()
    dedup: DedupConfig = DedupConfig()
    marks: MarksConfig = MarksConfig()
    track: TrackConfig = TrackConfig()
    crop: CropConfig = CropConfig()
    picture: PictureConfig = PictureConfig()
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
        description="which rights the annotators' code and weights may have: permissive, agpl, non-commercial",
    )
    score_only: bool = Field(False, description="store every score and drop nothing that can be annotated")
    inputs: InputsConfig = InputsConfig()
    execution: ExecutionConfig = ExecutionConfig()

    def data_settings(self) -> dict[str, Any]:
        """All that the data set depends on: everything but where the work is done, and what isn't used."""
        data = super().data_settings()
        del data["execution"], data["inputs"], data["marks"]["file"]
        for kind in KINDS:
            name = section_name(kind)
            data[name] = without_others(kind, getattr(self, name), data[name])
        return data

    def annotators(self) -> dict[str, Strict]:
        """The section of each kind of annotator that is in use."""
        sections = {kind: getattr(self, section_name(kind)) for kind in KINDS}
        return {kind: section for kind, section in sections.items() if getattr(section, "looks", True)}

    def gpu_shares(self) -> dict[str, float]:
        """The share of a GPU of each step that can use one."""
        sections = self.annotators().items()
        used = {section_name(kind) for kind, s in sections if not getattr(chosen(kind, s), "cpu_only", False)}
        used |= {"split"} if self.split.detector == "transnetv2" else set()
        return {step: share for step, share in self.execution.gpus.items() if step in used}

    def device(self, step: str) -> str:
        """Where the annotator of a step runs, in torch's spelling."""
        return "cuda" if step in self.gpu_shares() else "cpu"

    def pinned(self) -> Self:
        """The same with the sha256 of every file that the chosen annotators are given filled in."""
        update = {}
        for kind, section in self.annotators().items():
            own = own_settings(kind, section)
            if own is not None and own is not section:
                fields = type(section).model_fields
                update[section_name(kind)] = section.model_copy(
                    update={name: pinned(own) for name in fields if getattr(section, name) is own}
                )
        return self.model_copy(update=update)


def load_config(preset: str, overrides: list[str]) -> BuildConfig:
    """Presets (a name, a path to a YAML, or several with commas between, the later on top of the earlier) with
    `section.key=value` on top; UserError names what is wrong."""
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

"""The plan of a build: the steps of a clip and the keys that name their measurements, from a configuration."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from annotators.registry import build_annotator_record
from annotators.rights import check_annotator, find_unset_settings
from annotators.transnetv2.network import TransNetV2
from humove.config.thresholds import StageThresholds
from humove.errors import UserError
from humove.ids import hash_settings
from pipelines.config import BuildConfig
from pipelines.engine.landmarks_needed import check_landmarks
from pipelines.labels import Label
from pipelines.stages.aesthetic import AestheticStep
from pipelines.stages.caption import CaptionStep
from pipelines.stages.category import CategoryStep
from pipelines.stages.crop import CropStep
from pipelines.stages.encode import EncodeStep
from pipelines.stages.frame_quality import FrameQualityStep
from pipelines.stages.motion import MotionStep
from pipelines.stages.pose2d import Pose2DStep
from pipelines.stages.quality import QualityStep
from pipelines.stages.records import FORMER_STEPS
from pipelines.stages.screen import THRESHOLDS as SCREEN_THRESHOLDS
from pipelines.stages.step import Step
from pipelines.stages.track import TrackStep

VIDEO_STAGES = ("ingest", "scan", "split")
STAGES = (
    *VIDEO_STAGES, "clip", "screen", "track", "crop", "frame_quality", "aesthetic", "pose2d", "motion", "quality",
    "caption", "category", "encode", "near_duplicates",
)  # fmt: skip
"""Every stage at which a unit can end, in order: the keys of dataset.json's counts."""
_INGEST, _SCAN, _SPLIT, _CLIP = "2", "1", "3", "1"
"""Versions: a change of what a stage measures needs a new one."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A configuration as the engine uses it. Picklable: every worker has it."""

    config: BuildConfig
    steps: tuple[Step, ...]
    labels: Mapping[str, Label] = field(default_factory=dict)
    """People's labels of clips, where the configuration uses them."""

    @classmethod
    def from_config(cls, config: BuildConfig, labels: Mapping[str, Label] | None = None) -> "Plan":
        config = config.pin_files()
        steps: list[Step] = [
            TrackStep(config.track, config.get_device("track")),
            CropStep(config.crop),
            FrameQualityStep(config.frame_quality),
            *([AestheticStep(config.aesthetic, config.get_device("aesthetic"))] if config.aesthetic.enabled else []),
            Pose2DStep(config.pose2d, config.get_device("pose2d")),
            MotionStep(config.motion, config.get_device("motion")),
            QualityStep(config.quality),
            CaptionStep(config.caption, config.get_device("caption")),
            *([CategoryStep(config.category, config.get_device("category"))] if config.category.enabled else []),
            EncodeStep(config.encode),
        ]
        return cls(config=config, steps=tuple(steps), labels=labels or {})

    @cached_property
    def ingest_key(self) -> str:
        return hash_settings(["ingest", _INGEST])

    @cached_property
    def scan_key(self) -> str:
        return hash_settings(["scan", _SCAN])

    @cached_property
    def split_key(self) -> str:
        return hash_settings([self.scan_key, _SPLIT, self.config.split.model_dump(mode="json")])

    @cached_property
    def _digests(self) -> list[tuple[str, str, bool]]:
        """(name, digest of its settings, whether later steps use what it measures) of the frames and each step."""
        rows = [("frames", hash_settings(self.frame_settings), True)]
        hashed_names = {name: former for former, name in FORMER_STEPS.items()}  # so that ledgers stay valid
        for step in self.steps:
            digest = hash_settings([hashed_names.get(step.name, step.name), step.version, step.get_settings()])
            rows.append((step.name, digest, getattr(step, "affects_downstream", True)))
        return rows

    @cached_property
    def config_hash(self) -> str:
        """The hash of the configuration, its code and its models: equal hashes, equal data sets."""
        stages = [self.ingest_key, self.scan_key, _SPLIT, _CLIP]
        return hash_settings(
            [self.config.get_data_settings(), stages, [[name, digest] for name, digest, _ in self._digests]]
        )

    @cached_property
    def step_keys(self) -> dict[str, str]:
        """The key of each step's measurements. Keys form a chain: a changed step changes the keys of all later ones.

        A measurement is named by its key and by the clip's span in its video. Thresholds are not part of a key: a
        changed threshold measures nothing again.
        """
        before, keys = "", {}
        for name, digest, affects_downstream in self._digests:
            keys[name] = hash_settings([before, digest])
            before = keys[name] if affects_downstream else before
        return keys

    @property
    def scratch(self) -> Path:
        return Path(self.config.execution.scratch or tempfile.gettempdir())

    @property
    def frame_settings(self) -> dict:
        return self.config.frames.model_dump(mode="json")

    @cached_property
    def step_thresholds(self) -> dict[str, StageThresholds]:
        """The thresholds by stage, in the order in which they apply to a clip."""
        thresholds = {"screen": SCREEN_THRESHOLDS}
        thresholds |= {step.name: own for step in self.steps if (own := getattr(step, "thresholds", None)) is not None}
        return thresholds

    def check_annotators(self, *, runs: bool = True) -> None:
        """Raise UserError unless every annotator exists and is allowed, and, where it `runs`, is installed with weights
        and settings."""
        sections = self.config.get_annotators().items()
        for kind, section in sections:
            check_annotator(kind, section, self.config.allow, runs=runs)
        check_landmarks(self.config.pose2d, self.config.motion)
        empty = [name for kind, section in sections for name in find_unset_settings(kind, section)] if runs else []
        if empty:
            raise UserError(
                f"not set: {', '.join(empty)}; name each, as in SET {empty[0]}=..., or in a YAML of your own"
            )
        if runs and self.config.split.detector == "transnetv2":
            TransNetV2.find_weights()

    def build_annotator_records(self) -> list[dict]:
        """Return the name, version, weights and licence of each annotator."""
        cuts = [TransNetV2.build_record()] if self.config.split.detector == "transnetv2" else []
        return cuts + [build_annotator_record(kind, section) for kind, section in self.config.get_annotators().items()]

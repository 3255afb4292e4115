"""What a configuration does to a video: the steps of a clip, and the keys that name their measurements."""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from annotators.registry import annotator_record
from annotators.rights import check_annotator, unset
from annotators.transnetv2.network import TransNetV2
from humove.bars import StageBars
from humove.errors import UserError
from humove.ids import settings_hash
from pipelines.config import BuildConfig
from pipelines.engine.landmarks_needed import check_landmarks
from pipelines.marks import Mark
from pipelines.stages.aesthetic import AestheticStep
from pipelines.stages.caption import CaptionStep
from pipelines.stages.category import CategoryStep
from pipelines.stages.crop import CropStep
from pipelines.stages.encode import EncodeStep
from pipelines.stages.motion import MotionStep
from pipelines.stages.picture import PictureStep
from pipelines.stages.pose2d import Pose2DStep
from pipelines.stages.quality import QualityStep
from pipelines.stages.screen import BARS as SCREEN_BARS
from pipelines.stages.step import Step
from pipelines.stages.track import TrackStep

VIDEO_STAGES = ("ingest", "scan", "split")
STAGES = (
    *VIDEO_STAGES, "clip", "screen", "track", "crop", "picture", "aesthetic", "pose2d", "motion", "quality",
    "caption", "category", "encode", "near_duplicates",
)  # fmt: skip
"""Every stage at which a unit can end, in order: the keys of dataset.json's counts."""
_INGEST, _SCAN, _SPLIT, _CLIP = "2", "1", "3", "1"
"""Versions: a change of what a stage measures takes a new one."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A configuration as the engine uses it. Picklable: every worker has it."""

    config: BuildConfig
    steps: tuple[Step, ...]
    marks: Mapping[str, Mark] = field(default_factory=dict)
    """What people said of clips, where the configuration asks for it."""

    @classmethod
    def of(cls, config: BuildConfig, marks: Mapping[str, Mark] | None = None) -> "Plan":
        config = config.pinned()
        steps: list[Step] = [
            TrackStep(config.track, config.device("track")),
            CropStep(config.crop),
            PictureStep(config.picture),
            *([AestheticStep(config.aesthetic, config.device("aesthetic"))] if config.aesthetic.looks else []),
            Pose2DStep(config.pose2d, config.device("pose2d")),
            MotionStep(config.motion, config.device("motion")),
            QualityStep(config.quality),
            CaptionStep(config.caption, config.device("caption")),
            *([CategoryStep(config.category, config.device("category"))] if config.category.looks else []),
            EncodeStep(config.encode),
        ]
        return cls(config=config, steps=tuple(steps), marks=marks or {})

    @cached_property
    def ingest_key(self) -> str:
        return settings_hash(["ingest", _INGEST])

    @cached_property
    def scan_key(self) -> str:
        return settings_hash(["scan", _SCAN])

    @cached_property
    def split_key(self) -> str:
        return settings_hash([self.scan_key, _SPLIT, self.config.split.model_dump(mode="json")])

    @cached_property
    def _digests(self) -> list[tuple[str, str, bool]]:
        """(name, digest of its settings, whether later steps use what it measures) of the frames and each step."""
        rows = [("frames", settings_hash(self.frame_settings), True)]
        for step in self.steps:
            digest = settings_hash([step.name, step.version, step.settings()])
            rows.append((step.name, digest, getattr(step, "feeds", True)))
        return rows

    @cached_property
    def config_hash(self) -> str:
        """Names the configuration and the code and models behind it: equal hashes, equal data sets."""
        stages = [self.ingest_key, self.scan_key, _SPLIT, _CLIP]
        return settings_hash(
            [self.config.data_settings(), stages, [[name, digest] for name, digest, _ in self._digests]]
        )

    @cached_property
    def step_keys(self) -> dict[str, str]:
        """The key of each step's measurements: a chain, so that a change of one step renames all that use it.

        A measurement is named by its key and by the clip's span in its video; thresholds are no part of a key, so that
        moving one measures nothing again.
        """
        before, keys = "", {}
        for name, digest, feeds in self._digests:
            keys[name] = settings_hash([before, digest])
            before = keys[name] if feeds else before
        return keys

    @property
    def scratch(self) -> Path:
        return Path(self.config.execution.scratch or tempfile.gettempdir())

    @property
    def frame_settings(self) -> dict:
        return self.config.frames.model_dump(mode="json")

    @cached_property
    def step_bars(self) -> dict[str, StageBars]:
        """The thresholds of each stage that has some, in the order in which a clip meets them."""
        bars = {"screen": SCREEN_BARS}
        bars |= {step.name: step.bars for step in self.steps if getattr(step, "bars", None) is not None}
        return bars

    def check(self, *, runs: bool = True) -> None:
        """Every annotator exists, may be used, and, where it `runs`, is installed and has its weights; UserError
        otherwise."""
        sections = self.config.annotators().items()
        for kind, section in sections:
            check_annotator(kind, section, self.config.allow, runs=runs)
        check_landmarks(self.config.pose2d, self.config.motion)
        empty = [name for kind, section in sections for name in unset(kind, section)] if runs else []
        if empty:
            raise UserError(
                f"not set: {', '.join(empty)}; name each, as in SET {empty[0]}=..., or in a YAML of your own"
            )
        if runs and self.config.split.detector == "transnetv2":
            TransNetV2.installed()

    def annotators(self) -> list[dict]:
        """What made the annotations: names, versions, weights, licences."""
        cuts = [TransNetV2.record()] if self.config.split.detector == "transnetv2" else []
        return cuts + [annotator_record(kind, section) for kind, section in self.config.annotators().items()]

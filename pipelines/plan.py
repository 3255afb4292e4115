"""What a configuration does to a unit: the steps of a clip, their keys, and the stages that executors run."""

import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from annotators.registry import annotator_record
from annotators.rights import check_annotator, unset
from annotators.transnetv2.network import TransNetV2
from humove.errors import UserError
from humove.ids import settings_hash
from humove.stage import Resources
from humove.types import Clip
from pipelines.config import BuildConfig
from pipelines.landmarks_needed import check_landmarks
from pipelines.ledger import Ledger
from pipelines.marks import Mark, kept_marks
from pipelines.stages.aesthetic import AestheticStep
from pipelines.stages.caption import CaptionStep
from pipelines.stages.category import CategoryStep
from pipelines.stages.clips import ClipStage
from pipelines.stages.crop import CropStep
from pipelines.stages.encode import EncodeStep
from pipelines.stages.ingest import IngestStage
from pipelines.stages.motion import MotionStep
from pipelines.stages.picture import PictureStep
from pipelines.stages.pose2d import Pose2DStep
from pipelines.stages.quality import QualityStep
from pipelines.stages.scan import ScanStage
from pipelines.stages.split import SplitStage
from pipelines.stages.step import Link, Step, step_keys
from pipelines.stages.track import TrackStep

STAGES = (
    "ingest", "scan", "split", "clip", "screen", "track", "crop", "picture", "aesthetic", "pose2d", "motion", "quality",
    "caption", "category", "encode", "near_duplicates",
)  # fmt: skip
"""Every stage at which a unit can end, in order: the keys of dataset.json's counts."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """A configuration, bound to a ledger."""

    config: BuildConfig
    ledger: Ledger
    steps: list[Step]

    @classmethod
    def of(cls, config: BuildConfig, ledger: Ledger) -> "Plan":
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
        return cls(config=config, ledger=ledger, steps=steps)

    @cached_property
    def config_hash(self) -> str:
        """Names the configuration and the code and models behind it: equal hashes, equal data sets."""
        stages = [IngestStage.key(), ScanStage.key(), SplitStage.version, ClipStage.version]
        return settings_hash([self.config.data_settings(), stages, [[link.name, link.digest] for link in self.chain]])

    @cached_property
    def chain(self) -> list[Link]:
        """Each step, and what its measurement depends on beside the clip and the steps before."""
        links = [Link(name="frames", digest=settings_hash(self.frame_settings))]
        for step in self.steps:
            digest = settings_hash([step.name, step.version, step.settings()])
            links.append(Link(name=step.name, digest=digest, feeds=getattr(step, "feeds", True)))
        return links

    @property
    def scratch(self) -> Path:
        return Path(self.config.execution.scratch or tempfile.gettempdir())

    @property
    def frame_settings(self) -> dict:
        return self.config.frames.model_dump(mode="json")

    @cached_property
    def marks(self) -> dict[str, Mark]:
        """What people said of clips, where the configuration asks for it."""
        return kept_marks(self.config.marks, self.ledger.marks_folder)

    def ingest_stage(self) -> IngestStage:
        return IngestStage(ledger=self.ledger, scratch=self.scratch, unit_s=self.config.execution.unit_seconds)

    def scan_stage(self) -> ScanStage:
        return ScanStage(ledger=self.ledger, scratch=self.scratch)

    def split_stage(self) -> SplitStage:
        gpus = self.config.gpu_shares().get("split", 0.0)
        return SplitStage(scans=self.scan_stage(), config=self.config.split, gpus=gpus)

    def clip_stage(self) -> ClipStage:
        return ClipStage(
            ledger=self.ledger,
            scratch=self.scratch,
            steps=self.steps,
            chain=self.chain,
            frame_settings=self.frame_settings,
            score_only=self.config.score_only,
            resources=Resources(cpus=1, gpus=self.config.clip_gpus),
        )

    @cached_property
    def split_key(self) -> str:
        return settings_hash([self.scan_stage().key(), SplitStage.version, self.config.split.model_dump(mode="json")])

    def clip_keys(self, clip: Clip) -> dict[str, str]:
        return step_keys(self.chain, clip)

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

"""The step that detects the main person's keypoints in every frame."""

import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Literal

import numpy as np
from pydantic import Field

from annotators.mmpose.config import MMPoseConfig
from annotators.network import NO_NETWORKS, Network
from annotators.registry import get_annotator_settings, load_annotator
from annotators.rtmlib.config import RtmlibConfig
from annotators.visible_keypoints import compute_visible_share
from humove.config.strict import Strict
from humove.config.thresholds import make_stage_thresholds
from humove.motion.skeleton_map import convert_skeleton
from humove.reasons import Reason
from humove.stage import Reject
from humove.types import Landmarks, PersonTrack, Pose2D
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class Pose2DConfig(Strict):
    """The model that gives the keypoints, the required visible share, and the stored skeleton."""

    annotator: str = "blazepose"
    skeleton: Literal["", "coco_17", "coco_wholebody_133", "mediapipe_33", "smpl_24"] = Field(
        "", description="the skeleton that samples are stored with, converted by name; empty: the model's"
    )
    visible_score: float = Field(
        0.3, ge=0, le=1, description="a keypoint is visible from this score on; a change measures the clips again"
    )
    min_visible_keypoints: float = Field(
        0.0,
        ge=0,
        le=1,
        description="least share of shoulders, elbows, wrists, hips, knees and ankles that are visible, over all "
        "frames; 0: no threshold; tracks.blazepose has track.min_leg_visibility",
    )
    mmpose: MMPoseConfig = MMPoseConfig()
    rtmlib: RtmlibConfig = RtmlibConfig()


THRESHOLDS = make_stage_thresholds(
    "pose2d",
    "first",
    Pose2DConfig,
    ("min_visible_keypoints", "visible_keypoints", Reason.PARTIAL_BODY,
     "{score:.0%} of the body's keypoints are visible", 0, 1),
)  # fmt: skip


def get_track(view: ClipView) -> PersonTrack:
    arrays = view.get_arrays("track")
    return PersonTrack(**{name: arrays[name] for name in ("frames", "boxes_xyxy", "scores")})


def pack_pose(pose: Pose2D) -> dict[str, np.ndarray]:
    rows = {f.name: getattr(pose, f.name) for f in fields(pose)}
    return {**rows, "names": np.array(rows["names"]), "skeleton": np.array(rows["skeleton"])}


def unpack_pose(arrays: dict[str, np.ndarray]) -> Pose2D:
    """Make Landmarks if the model also gave metric 3D, else Pose2D."""
    kind = Landmarks if "world" in arrays else Pose2D
    named = {"names": tuple(str(n) for n in arrays["names"]), "skeleton": str(arrays["skeleton"])}
    return kind(**{**arrays, **named})


def convert_to_stored(pose: Pose2D, config: Pose2DConfig) -> Pose2D:
    """Convert the keypoints to the configured skeleton."""
    return convert_skeleton(pose, config.skeleton) if config.skeleton not in ("", pose.skeleton) else pose


class Pose2DStep:
    """Frames and track -> Pose2D, px of the decoded clip."""

    name = "pose2d"
    version = "2"
    thresholds = THRESHOLDS

    def __init__(self, config: Pose2DConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self._annotator = None

    def get_settings(self) -> dict:
        return {**get_annotator_settings("pose2d", self.config), "visible_score": self.config.visible_score}

    def setup(self, networks: Mapping[str, Network] = NO_NETWORKS) -> None:
        self._annotator = load_annotator("pose2d", self.config, self.device, networks.get("pose2d"))

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        track = get_track(view)
        start = time.process_time()
        (pose,) = self._annotator.annotate([(frames, track)])
        seconds = time.process_time() - start
        if isinstance(pose, Reject):
            return Record(reject=pose, cpu_s=seconds), {}
        scores = {"visible_keypoints": compute_visible_share(pose, self.config.visible_score)}
        return Record(scores=scores, cpu_s=seconds), pack_pose(pose)

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return THRESHOLDS.judge(scores, self.config)

"""Keypoints of the main person on every frame."""

import time
from collections.abc import Mapping
from dataclasses import fields
from typing import Literal

import numpy as np
from pydantic import Field

from annotators.mmpose.config import MMPoseConfig
from annotators.network import NO_NETWORKS, Network
from annotators.registry import annotator_settings, load_annotator
from annotators.rtmlib.config import RtmlibConfig
from annotators.visible_keypoints import visible_share
from humove.bars import stage_bars
from humove.config import Strict
from humove.reasons import Reason
from humove.skeleton_map import converted
from humove.stage import Reject
from humove.types import Landmarks, PersonTrack, Pose2D
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class Pose2DConfig(Strict):
    """Which model gives the keypoints, how many must be seen, and how they are stored."""

    annotator: str = "blazepose"
    skeleton: Literal["", "coco_17", "coco_wholebody_133", "mediapipe_33", "smpl_24"] = Field(
        "", description="the skeleton that samples are stored with, converted by name; empty: the model's own"
    )
    visible_score: float = Field(
        0.3, ge=0, le=1, description="a keypoint is seen from this score on; a change here means to look again"
    )
    min_visible_keypoints: float = Field(
        0.0,
        ge=0,
        le=1,
        description="least share of shoulders, elbows, wrists, hips, knees and ankles that are seen, over all frames; "
        "0 is no bar: tracks.blazepose has its own, track.min_leg_visibility",
    )
    mmpose: MMPoseConfig = MMPoseConfig()
    rtmlib: RtmlibConfig = RtmlibConfig()


BARS = stage_bars(
    "pose2d",
    "first",
    Pose2DConfig,
    ("min_visible_keypoints", "visible_keypoints", Reason.PARTIAL_BODY,
     "{score:.0%} of the body's keypoints are seen", 0, 1),
)  # fmt: skip


def track_of(view: ClipView) -> PersonTrack:
    arrays = view.arrays("track")
    return PersonTrack(**{name: arrays[name] for name in ("frames", "boxes_xyxy", "scores")})


def pose_arrays(pose: Pose2D) -> dict[str, np.ndarray]:
    rows = {f.name: getattr(pose, f.name) for f in fields(pose)}
    return {**rows, "names": np.array(rows["names"]), "skeleton": np.array(rows["skeleton"])}


def pose_from_arrays(arrays: dict[str, np.ndarray]) -> Pose2D:
    """Landmarks where the model gave metric 3D as well, else Pose2D."""
    kind = Landmarks if "world" in arrays else Pose2D
    named = {"names": tuple(str(n) for n in arrays["names"]), "skeleton": str(arrays["skeleton"])}
    return kind(**{**arrays, **named})


def as_stored(pose: Pose2D, config: Pose2DConfig) -> Pose2D:
    """The keypoints in the skeleton that the configuration asks for."""
    return converted(pose, config.skeleton) if config.skeleton not in ("", pose.skeleton) else pose


class Pose2DStep:
    """Frames and track -> Pose2D, px of the decoded clip."""

    name = "pose2d"
    version = "2"
    bars = BARS

    def __init__(self, config: Pose2DConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self._annotator = None

    def settings(self) -> dict:
        return {**annotator_settings("pose2d", self.config), "visible_score": self.config.visible_score}

    def setup(self, networks: Mapping[str, Network] = NO_NETWORKS) -> None:
        self._annotator = load_annotator("pose2d", self.config, self.device, networks.get("pose2d"))

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        frames = view.frames
        track = track_of(view)
        start = time.process_time()
        (pose,) = self._annotator.annotate([(frames, track)])
        seconds = time.process_time() - start
        if isinstance(pose, Reject):
            return Record(reject=pose, cpu_s=seconds), {}
        scores = {"visible_keypoints": visible_share(pose, self.config.visible_score)}
        return Record(scores=scores, cpu_s=seconds), pose_arrays(pose)

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return BARS.judge(scores, self.config)

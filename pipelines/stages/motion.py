"""The step that estimates SMPL motion, in the camera of the decoded frames."""

import time
from collections.abc import Mapping
from dataclasses import asdict, fields

import numpy as np
from pydantic import Field

from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.motion_clip import MotionClip, WorldMotion
from annotators.network import NO_NETWORKS, Network
from annotators.nlf.config import NlfConfig
from annotators.registry import get_annotator_settings, load_annotator
from annotators.results.config import ResultsConfig
from humove.config.strict import Strict
from humove.motion.camera import FocalSource, intrinsics_from_35mm, intrinsics_from_fov
from humove.stage import Reject
from humove.types import SmplMotion, VideoRef, WorldCamera
from pipelines.stages.pose2d import get_track, unpack_pose
from pipelines.stages.records import Record
from pipelines.stages.step import ClipView


class MotionConfig(Strict):
    """The model that gives the motion, and the camera."""

    annotator: str = "landmark_fit"
    field_of_view_deg: float = Field(
        55.0,
        gt=5,
        lt=150,
        description="angle of view over the longer side, assumed if neither the file's metadata nor the annotator "
        "gives the focal length",
    )
    landmark_fit: LandmarkFitConfig = LandmarkFitConfig()
    nlf: NlfConfig = NlfConfig()
    results: ResultsConfig = ResultsConfig()


WORLD = "world."
"""Prefix of the arrays of the camera's path, stored with those of the motion."""


def pack_motion(motion: SmplMotion) -> dict[str, np.ndarray]:
    return {f.name: getattr(motion, f.name) for f in fields(motion)}


def unpack_motion(arrays: dict[str, np.ndarray]) -> SmplMotion:
    return SmplMotion(**{name: value for name, value in arrays.items() if not name.startswith(WORLD)})


def unpack_world_camera(arrays: dict[str, np.ndarray]) -> WorldCamera | None:
    """Return the camera's path, if the annotator gave one."""
    found = {name.removeprefix(WORLD): value for name, value in arrays.items() if name.startswith(WORLD)}
    return WorldCamera(**found) if found else None


def choose_camera(video: VideoRef, width: int, height: int, field_of_view_deg: float) -> tuple[np.ndarray, FocalSource]:
    """Return the camera (3, 3) px of frames of width x height px, by the file's metadata or the assumed angle."""
    if video.focal_35mm > 0:
        detail = f"the file's metadata: {video.focal_35mm:g} mm, 35 mm equivalent"
        return intrinsics_from_35mm(width, height, video.focal_35mm), FocalSource(source="metadata", detail=detail)
    detail = f"assumed: {field_of_view_deg:g} degrees over the longer side"
    return intrinsics_from_fov(width, height, field_of_view_deg), FocalSource(source="default", detail=detail)


class MotionStep:
    """Frames, track and keypoints -> SmplMotion, with the camera's path if the annotator gives it."""

    name = "motion"
    version = "2"

    def __init__(self, config: MotionConfig, device: str = "cpu") -> None:
        self.config = config
        self.device = device
        self._annotator = None

    def get_settings(self) -> dict:
        return {
            **get_annotator_settings("motion", self.config),
            "field_of_view_deg": self.config.field_of_view_deg,
        }

    def setup(self, networks: Mapping[str, Network] = NO_NETWORKS) -> None:
        self._annotator = load_annotator("motion", self.config, self.device, networks.get("motion"))

    def measure(self, view: ClipView) -> tuple[Record, dict[str, np.ndarray]]:
        facts = view.get_record("track").facts
        width, height = facts["width"], facts["height"]
        start = time.process_time()
        intrinsics, focal = choose_camera(view.clip.video, width, height, self.config.field_of_view_deg)
        item = MotionClip(
            landmarks=unpack_pose(view.get_arrays("pose2d")),
            fps=float(facts["fps"][0] / facts["fps"][1]),
            width=width,
            height=height,
            intrinsics=intrinsics,
            source_frames=view.get_arrays("track")["source_frames"],
            track=get_track(view),
            clip=view.clip,
            open_frames=lambda: view.frames,
        )
        (found,) = self._annotator.annotate([item])
        if isinstance(found, Reject):
            return Record(reject=found, cpu_s=time.process_time() - start), {}
        if not isinstance(found, WorldMotion):
            found = WorldMotion(motion=found, focal=focal)
        arrays = pack_motion(found.motion)
        if found.world is not None:
            arrays |= {f"{WORLD}{f.name}": getattr(found.world, f.name) for f in fields(found.world)}
        seconds = time.process_time() - start
        return Record(facts={"focal": asdict(found.focal)}, cpu_s=seconds), arrays

    def judge(self, scores: dict[str, float]) -> Reject | None:
        return None

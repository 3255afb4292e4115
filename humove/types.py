"""Records that the pipeline passes between stages. They hold spans and URIs, never decoded frames.

Frames are integers, half-open spans, counted in the source video. Pixels are floats, the origin is the top-left
corner of the top-left pixel. Lengths are metres, angles radians. The camera frame has OpenCV's axes.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


def _check_array(name: str, array: np.ndarray, shape: tuple[int | None, ...], kind: str = "f") -> None:
    fits = array.ndim == len(shape) and all(
        expected in (None, found) for found, expected in zip(array.shape, shape, strict=True)
    )
    if not fits or array.dtype.kind != kind:
        raise ValueError(f"{name} is {array.dtype}{array.shape}, expected kind {kind!r} and shape {shape}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Metadata of a video from the manifest or its folder; empty strings where it is not given."""

    category: str = ""
    category_source: str = ""
    """"manifest" or "folder"; empty without a category."""
    caption: str = ""
    licence: str = ""
    source_url: str = ""
    consent: str = ""
    group: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRef:
    """A readable source video, as displayed: rotation and sample aspect ratio applied, deinterlaced."""

    video_id: str
    """First 16 hex digits of the sha256 of the file's bytes."""
    uri: str
    width: int
    height: int
    fps: Fraction
    """Nominal rate of the source."""
    num_frames: int
    source: Source
    focal_35mm: float = 0.0
    """The lens's focal length in mm, 35 mm equivalent, from the file's metadata; 0 where it is missing."""

    def __post_init__(self) -> None:
        if self.width < 1 or self.height < 1 or self.fps <= 0 or self.num_frames < 1:
            raise ValueError(f"{self.uri}: {self.width}x{self.height}, {self.fps} fps, {self.num_frames} frames")


@dataclass(frozen=True, slots=True, kw_only=True)
class Clip:
    """A span of one shot: source frames start_frame (inclusive) to end_frame (exclusive)."""

    clip_id: str
    video: VideoRef
    shot_index: int
    start_frame: int
    end_frame: int

    def __post_init__(self) -> None:
        if not 0 <= self.start_frame < self.end_frame <= self.video.num_frames:
            raise ValueError(
                f"{self.clip_id}: span [{self.start_frame}, {self.end_frame}) of {self.video.num_frames} frames"
            )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonTrack:
    """One person's boxes at some of a clip's frames, ascending."""

    frames: np.ndarray
    """(T,) int64, indices into the clip's own frames."""
    boxes_xyxy: np.ndarray
    """(T, 4) float32 px."""
    scores: np.ndarray
    """(T,) float32 0..1."""

    def __post_init__(self) -> None:
        t = len(self.frames)
        _check_array("frames", self.frames, (t,), "i")
        _check_array("boxes_xyxy", self.boxes_xyxy, (t, 4))
        _check_array("scores", self.scores, (t,))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pose2D:
    """Keypoints on every frame of a clip."""

    keypoints: np.ndarray
    """(T, K, 2) float32 px; finite."""
    scores: np.ndarray
    """(T, K) float32 0..1; 0 where the point was not detected."""
    skeleton: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        t, k = self.scores.shape
        _check_array("keypoints", self.keypoints, (t, k, 2))
        _check_array("scores", self.scores, (t, k))
        if len(self.names) != k:
            raise ValueError(f"{len(self.names)} names for {k} keypoints")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Landmarks(Pose2D):
    """Pose2D of a model that also gives metric 3D, from the image and from its mirror image."""

    world: np.ndarray
    """(T, K, 3) float32 m, hip-centred, camera axes (x right, y down, z away)."""
    mirror_keypoints: np.ndarray
    """(T, K, 2) float32 px: from the mirrored image, mapped back (x flipped, left and right exchanged)."""
    mirror_world: np.ndarray
    """(T, K, 3) float32 m: from the mirrored image, mapped back."""
    found: np.ndarray
    """(T,) bool: whether the model found the person on that frame; rows without are zeros in `scores`."""

    def __post_init__(self) -> None:
        Pose2D.__post_init__(self)
        t, k = self.scores.shape
        _check_array("world", self.world, (t, k, 3))
        _check_array("mirror_keypoints", self.mirror_keypoints, (t, k, 2))
        _check_array("mirror_world", self.mirror_world, (t, k, 3))
        _check_array("found", self.found, (t,), "b")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmplMotion:
    """The arrays of motion.npz (DESIGN: contract 2). Camera frame, row i is frame i of the clip."""

    betas: np.ndarray
    rest_joints: np.ndarray
    global_orient: np.ndarray
    body_pose: np.ndarray
    transl: np.ndarray
    joints: np.ndarray
    cam_intrinsics: np.ndarray
    confidence: np.ndarray
    valid: np.ndarray
    source_frames: np.ndarray
    raw_global_orient: np.ndarray
    raw_body_pose: np.ndarray
    raw_transl: np.ndarray

    def __post_init__(self) -> None:
        n = len(self.global_orient)
        _check_array("betas", self.betas, (10,))
        _check_array("rest_joints", self.rest_joints, (24, 3))
        _check_array("cam_intrinsics", self.cam_intrinsics, (3, 3))
        for prefix in ("", "raw_"):
            _check_array(f"{prefix}global_orient", getattr(self, f"{prefix}global_orient"), (n, 3))
            _check_array(f"{prefix}body_pose", getattr(self, f"{prefix}body_pose"), (n, 23, 3))
            _check_array(f"{prefix}transl", getattr(self, f"{prefix}transl"), (n, 3))
        _check_array("joints", self.joints, (n, 24, 3))
        _check_array("confidence", self.confidence, (n,))
        _check_array("valid", self.valid, (n,), "b")
        _check_array("source_frames", self.source_frames, (n,), "i")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorldCamera:
    """The arrays of world.npz: each frame's camera pose in a fixed world frame.

    The world is right-handed, y up against gravity, in metres; its origin and heading are the annotator's own. A point
    p of the camera frame lies at rotation @ p + position.
    """

    rotation: np.ndarray
    """(N, 3, 3) float32: from the camera's axes to the world's."""
    position: np.ndarray
    """(N, 3) float32 m: the camera's centre in the world."""
    gravity: np.ndarray
    """(N, 3) float32: the unit vector down, in the camera's axes."""

    def __post_init__(self) -> None:
        n = len(self.position)
        _check_array("rotation", self.rotation, (n, 3, 3))
        _check_array("position", self.position, (n, 3))
        _check_array("gravity", self.gravity, (n, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """The caption of a clip, in parts, and its source."""

    appearance: str
    background: str
    action: str
    full: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One sample of the data set, ready to be written."""

    key: str
    split: str
    mp4: bytes
    motion: SmplMotion
    pose2d: Pose2D
    meta: dict
    """The sample's .json as the format defines it."""
    world: WorldCamera | None = None
    """The camera's path; None where the motion's annotator does not estimate it."""

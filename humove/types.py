"""The records that travel through the pipeline. They carry spans and URIs, never decoded frames.

Frames are integers, half-open spans, counted in the source video. Pixels are floats, the origin is the top-left
corner of the top-left pixel. Lengths are metres, angles radians. The camera frame has OpenCV's axes.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np


def _check(name: str, array: np.ndarray, shape: tuple[int | None, ...], kind: str = "f") -> None:
    fits = array.ndim == len(shape) and all(want in (None, got) for got, want in zip(array.shape, shape, strict=True))
    if not fits or array.dtype.kind != kind:
        raise ValueError(f"{name} is {array.dtype}{array.shape}, wanted kind {kind!r} and shape {shape}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """What the manifest or the folder says of a video. Empty strings where nothing is said."""

    category: str = ""
    category_source: str = ""
    """"manifest" or "folder", where there is a category."""
    caption: str = ""
    licence: str = ""
    source_url: str = ""
    consent: str = ""
    group: str = ""
    split: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoRef:
    """A readable source video, as displayed: rotation and sample aspect ratio applied, fields woven apart."""

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
    """The lens's focal length in mm, 35 mm equivalent, as the file's metadata has it; 0 where it says nothing."""

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
        _check("frames", self.frames, (t,), "i")
        _check("boxes_xyxy", self.boxes_xyxy, (t, 4))
        _check("scores", self.scores, (t,))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pose2D:
    """Keypoints on every frame of a clip."""

    keypoints: np.ndarray
    """(T, K, 2) float32 px; finite."""
    scores: np.ndarray
    """(T, K) float32 0..1; 0 where the point was not seen."""
    skeleton: str
    names: tuple[str, ...]

    def __post_init__(self) -> None:
        t, k = self.scores.shape
        _check("keypoints", self.keypoints, (t, k, 2))
        _check("scores", self.scores, (t, k))
        if len(self.names) != k:
            raise ValueError(f"{len(self.names)} names for {k} keypoints")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Landmarks(Pose2D):
    """Pose2D of a model that also gives metric 3D, seen once as it is and once in the mirror."""

    world: np.ndarray
    """(T, K, 3) float32 m, hip-centred, camera axes (x right, y down, z away)."""
    mirror_keypoints: np.ndarray
    """(T, K, 2) float32 px: from the mirrored picture, mapped back (x flipped, left and right exchanged)."""
    mirror_world: np.ndarray
    """(T, K, 3) float32 m: likewise."""
    found: np.ndarray
    """(T,) bool: whether the model found the person on that frame; rows without are zeros in `scores`."""

    def __post_init__(self) -> None:
        Pose2D.__post_init__(self)
        t, k = self.scores.shape
        _check("world", self.world, (t, k, 3))
        _check("mirror_keypoints", self.mirror_keypoints, (t, k, 2))
        _check("mirror_world", self.mirror_world, (t, k, 3))
        _check("found", self.found, (t,), "b")


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
        _check("betas", self.betas, (10,))
        _check("rest_joints", self.rest_joints, (24, 3))
        _check("cam_intrinsics", self.cam_intrinsics, (3, 3))
        for prefix in ("", "raw_"):
            _check(f"{prefix}global_orient", getattr(self, f"{prefix}global_orient"), (n, 3))
            _check(f"{prefix}body_pose", getattr(self, f"{prefix}body_pose"), (n, 23, 3))
            _check(f"{prefix}transl", getattr(self, f"{prefix}transl"), (n, 3))
        _check("joints", self.joints, (n, 24, 3))
        _check("confidence", self.confidence, (n,))
        _check("valid", self.valid, (n,), "b")
        _check("source_frames", self.source_frames, (n,), "i")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorldCamera:
    """The arrays of world.npz: where the camera of each frame stands in a frame that does not move.

    That world is right-handed, y up against gravity, in metres; its origin and heading are the annotator's own. A point
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
        _check("rotation", self.rotation, (n, 3, 3))
        _check("position", self.position, (n, 3))
        _check("gravity", self.gravity, (n, 3))


@dataclass(frozen=True, slots=True, kw_only=True)
class Caption:
    """What is said of a clip, and who says it."""

    appearance: str
    background: str
    action: str
    full: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Sample:
    """One member of the data set, ready to be written."""

    key: str
    split: str
    mp4: bytes
    motion: SmplMotion
    pose2d: Pose2D
    meta: dict
    """The sample's .json, exactly as the format lists it."""
    world: WorldCamera | None = None
    """The camera's path; None where the motion's annotator does not know it."""

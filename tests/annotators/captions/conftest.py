"""Known motions, made by forward kinematics from keyframes, for the captioner to describe."""

from dataclasses import dataclass, replace

import numpy as np
import pytest

from humove.motion.body import Body, compute_joints
from humove.motion.skeletons import MEDIAPIPE_33, SMPL_JOINTS
from humove.types import Pose2D, SmplMotion

FPS = 30.0
FOCAL, WIDTH, HEIGHT = 900.0, 640, 720
_INDEX = {name: k for k, name in enumerate(SMPL_JOINTS)}
_FACE_OFFSETS = {
    "nose": (0, 0), "left_eye": (5, -6), "right_eye": (-5, -6), "mouth_left": (4, 6), "mouth_right": (-4, 6),
    "left_ear": (9, -2), "right_ear": (-9, -2),
}  # fmt: skip
_ALIAS = {"heel": "ankle", "foot_index": "foot", "pinky": "hand", "index": "hand", "thumb": "hand"}


def interpolate_keys(times: np.ndarray, keys: list[tuple[float, float]]) -> np.ndarray:
    """Interpolate values at `times` between keys with half a cosine."""
    at, value = zip(*keys, strict=True)
    out = np.full(len(times), float(value[0]))
    for (t0, v0), (t1, v1) in zip(keys, keys[1:], strict=False):
        phase = np.clip((times - t0) / (t1 - t0), 0, 1)
        out = np.where(times >= t0, v0 + (v1 - v0) * (1 - np.cos(np.pi * phase)) / 2, out)
    return out


@dataclass
class Scene:
    """A person facing the camera, arms hanging; each method adds a movement, `shot` gives the arrays."""

    seconds: float = 4.0
    roll: float = 0.0
    """Degrees by which the camera is rolled."""

    def __post_init__(self) -> None:
        self.times = np.arange(round(self.seconds * FPS)) / FPS
        n = len(self.times)
        self.pose = np.zeros((n, 24, 3))
        self.yaw = np.zeros(n)
        self.shift = np.zeros((n, 3))
        """Body frame at yaw 0: its left, up, towards the camera; metres."""
        self.turn("left_shoulder", "z", [(0, -78)])
        self.turn("right_shoulder", "z", [(0, 78)])

    def turn(self, joint: str, axis: str, keys: list[tuple[float, float]] | np.ndarray) -> "Scene":
        """Set one component of a joint's axis-angle: keys of (second, degrees), or a series in degrees."""
        degrees = interpolate_keys(self.times, keys) if isinstance(keys, list) else keys
        self.pose[:, _INDEX[joint], "xyz".index(axis)] = np.radians(degrees)
        return self

    def raise_arm(self, side: str, start: float, end: float, to: float = 75.0) -> "Scene":
        """Raise an arm sideways from hanging to `to` degrees over the horizontal."""
        sign = 1 if side == "left" else -1
        return self.turn(f"{side}_shoulder", "z", [(start, -78 * sign), (end, to * sign)])

    def shot(self, noise_m: float = 0.0, seed: int = 0) -> tuple[SmplMotion, Pose2D]:
        """Return the motion, the lower foot fixed on the ground except for `shift`, and its projection."""
        rest = Body.load().rest_joints.astype(np.float32)
        n = len(self.times)
        about_y = np.zeros((n, 3))
        zero = np.zeros((n, 3), np.float32)
        own = compute_joints(rest, zero, self.pose[:, 1:].astype(np.float32), zero)
        feet = own[:, [_INDEX["left_ankle"], _INDEX["right_ankle"], _INDEX["left_foot"], _INDEX["right_foot"]], 1]
        lift = self.shift.copy()
        lift[:, 1] -= feet.min(1)
        about_y[:, 1] = self.yaw
        orient = _compose(self.roll, self.yaw)
        rotated = compute_joints(rest, orient, self.pose[:, 1:].astype(np.float32), zero)
        to_camera = _rotation(_axis_angle("z", np.radians([self.roll]))) @ np.diag([1.0, -1.0, -1.0])
        offset = lift @ to_camera[0].T + np.array([0.0, 0.9, 4.5])
        # The root turns about itself: the rotated body must keep the pelvis where the unrotated one had it.
        drop = (own[:, 0] @ to_camera[0].T) - rotated[:, 0]
        transl = (offset + drop).astype(np.float32)
        joints = rotated + transl[:, None]
        joints = joints + np.random.default_rng(seed).normal(0, noise_m, joints.shape)
        joints = joints.astype(np.float32)
        body = self.pose[:, 1:].astype(np.float32)
        motion = SmplMotion(
            betas=np.zeros(10, np.float32), rest_joints=rest, global_orient=orient, body_pose=body, transl=transl,
            joints=joints, cam_intrinsics=np.array([[FOCAL, 0, 320], [0, FOCAL, 360], [0, 0, 1]], np.float32),
            confidence=np.full(n, 0.9, np.float32), valid=np.ones(n, bool), source_frames=np.arange(n),
            raw_global_orient=orient, raw_body_pose=body, raw_transl=transl,
        )  # fmt: skip
        return motion, project(joints)


def _axis_angle(axis: str, radians: np.ndarray) -> np.ndarray:
    out = np.zeros((len(radians), 3))
    out[:, "xyz".index(axis)] = radians
    return out


def _rotation(vectors: np.ndarray) -> np.ndarray:
    import torch

    from humove.motion.rotations import axis_angle_to_matrix

    return axis_angle_to_matrix(torch.from_numpy(vectors)).numpy()


def _compose(roll: float, yaw_degrees: np.ndarray) -> np.ndarray:
    """Return global_orient of a person facing the camera, turned left by yaw, under a camera rolled by `roll`."""
    import torch

    from humove.motion.rotations import matrix_to_axis_angle

    turn = _rotation(_axis_angle("y", np.radians(yaw_degrees)))
    face = np.diag([1.0, -1.0, -1.0])
    rolled = _rotation(_axis_angle("z", np.radians([roll])))
    return matrix_to_axis_angle(torch.from_numpy(rolled @ face @ turn)).numpy().astype(np.float32)


def project(joints: np.ndarray) -> Pose2D:
    """Project joints (N, 24, 3) to the 33 keypoints, all visible."""
    xy = joints[..., :2] / joints[..., 2:] * FOCAL + np.array([WIDTH / 2, HEIGHT / 2])
    keypoints = np.zeros((len(joints), 33, 2), np.float32)
    for k, name in enumerate(MEDIAPIPE_33):
        side, _, part = name.partition("_")
        if name in SMPL_JOINTS:
            keypoints[:, k] = xy[:, _INDEX[name]]
        elif part in _ALIAS:
            keypoints[:, k] = xy[:, _INDEX[f"{side}_{_ALIAS[part]}"]]
        else:
            keypoints[:, k] = xy[:, _INDEX["head"]] + np.array(_FACE_OFFSETS.get(name, (0, -6)))
    return Pose2D(
        keypoints=keypoints, scores=np.full(keypoints.shape[:2], 0.95, np.float32), skeleton="mediapipe33",
        names=MEDIAPIPE_33,
    )  # fmt: skip


@pytest.fixture
def scene() -> type[Scene]:
    """Make a new scene."""
    return Scene


@pytest.fixture
def blind():
    """Lower the confidence of a motion's rows."""

    def lower(motion: SmplMotion, rows: slice) -> SmplMotion:
        confidence = motion.confidence.copy()
        confidence[rows] = 0.0
        return replace(motion, confidence=confidence)

    return lower

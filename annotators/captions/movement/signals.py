"""Smoothed time series of the body: heights of hands and feet, joint flexion, lean, heading.

Arrays (N, 2) hold the left side in column 0 and the right in column 1. Lengths are in body lengths (stature), angles in
degrees. "Up" is the clip's vertical; the rest is in the person's own frame, so that a rolled camera has no effect.
"""

from dataclasses import dataclass

import numpy as np

from humove.motion.skeletons import SMPL_JOINTS
from humove.types import Pose2D, SmplMotion

SMOOTH_S = 0.07
"""Standard deviation of the Gaussian in time. It keeps movements up to about 3 Hz and removes landmark jitter."""
FLIP, FLIP_S = 110.0, 0.12
"""A heading that changes by FLIP degrees in FLIP_S seconds (over 900 degrees a second) is a tracking error that swaps
the person's front and back."""
SIDES = ("left", "right")
_J = {name: k for k, name in enumerate(SMPL_JOINTS)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BodySignals:
    """The series of one clip; N rows, one a frame."""

    fps: float
    stature: float
    """Metres from the soles to the crown, from the rest joints."""
    good: np.ndarray
    """(N,) bool: the motion is confident."""
    arms_visible: np.ndarray
    legs_visible: np.ndarray
    """(N, 2) bool: good, and the limb's keypoints are visible."""
    hand_up: np.ndarray
    hand_forward: np.ndarray
    hand_out: np.ndarray
    """(N, 2) wrist from its shoulder along the trunk's up, forward and the side's own outward axis."""
    elbow: np.ndarray
    knee: np.ndarray
    """(N, 2) flexion: 0 straight."""
    thigh_pitch: np.ndarray
    """(N, 2) forward swing of the thigh from straight down."""
    foot_up: np.ndarray
    """(N, 2) ankle height over the pelvis."""
    foot_forward: np.ndarray
    foot_out: np.ndarray
    """(N, 2) ankle from its hip, along the heading, and outwards."""
    leg_stretch: np.ndarray
    """(N, 2) hip to ankle over thigh plus shin: 1 straight."""
    lean_forward: np.ndarray
    lean_left: np.ndarray
    """(N,) trunk against the vertical."""
    yaw: np.ndarray
    """(N,) heading, unwrapped: 0 to the camera, growing as the person turns to their left."""
    frontal: np.ndarray
    """(N,) bool: the person faces the camera or away from it to within 45 degrees. Only then is a sideways move in the
    image plane, where one camera measures it."""
    pelvis: np.ndarray
    """(N, 3) pelvis along the image's right, up, and away from the camera."""
    lowest_foot: np.ndarray
    """(N,) height of the lower foot's joint in the camera frame."""
    limb_speed: np.ndarray
    """(N,) speed of the fastest of hands and feet relative to the pelvis, body lengths a second."""

    def __len__(self) -> int:
        return len(self.good)


def smooth_rows(values: np.ndarray, weights: np.ndarray, sigma: float) -> np.ndarray:
    """Smooth (N, ...) along axis 0 with a Gaussian and row weights (N,); interpolate rows without weight in reach."""
    n = len(values)
    flat = values.reshape(n, -1).astype(np.float64)
    if not weights.any():
        return flat.reshape(values.shape)
    reach = max(1, int(np.ceil(3 * sigma)))
    taps = np.exp(-0.5 * (np.arange(-reach, reach + 1) / max(sigma, 1e-6)) ** 2)
    total, mass = np.zeros_like(flat), np.zeros(n)
    for offset, tap in zip(range(-reach, reach + 1), taps, strict=True):
        to = slice(max(0, -offset), n - max(0, offset))
        frm = slice(max(0, offset), n - max(0, -offset))
        if to.stop <= to.start:
            continue
        total[to] += tap * (flat * weights[:, None])[frm]
        mass[to] += tap * weights[frm]
    weighted = np.flatnonzero(mass > 1e-3)
    mean = total[weighted] / mass[weighted, None]
    rows = np.arange(n)
    out = np.stack([np.interp(rows, weighted, mean[:, k]) for k in range(flat.shape[1])], 1)
    return out.reshape(values.shape)


def _normalize(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1)


def _measure_flexion(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip(_dot(_normalize(b - a), _normalize(c - b)), -1, 1)))


def estimate_vertical(joints: np.ndarray, good: np.ndarray) -> np.ndarray:
    """Estimate the clip's up vector (3,) in the camera frame.

    The camera's own up, unless the body's long axis (ankles to neck) is steady and leans from it by 12 to 50 degrees:
    then the camera is rolled or pitched, and the body's axis is the better vertical.
    """
    up = np.array([0.0, -1.0, 0.0])
    if not good.any():
        return up
    axes = _normalize(joints[good, _J["neck"]] - joints[good][:, [_J["left_ankle"], _J["right_ankle"]]].mean(1))
    mean = _normalize(np.median(axes, axis=0))
    spread = np.degrees(np.median(np.arccos(np.clip(axes @ mean, -1, 1))))
    tilt = np.degrees(np.arccos(np.clip(mean @ up, -1, 1)))
    return mean if 12 <= tilt <= 50 and spread <= 10 else up


def find_unflipped_rows(yaw: np.ndarray, fps: float) -> np.ndarray:
    """Return (N,) bool: rows without a front-back flip, by impossible half turns of the heading (N,) in degrees.

    Flips divide the clip into spans of two states; the less frequent state has left and right exchanged. It is False,
    as are the rows at a flip.
    """
    n, reach = len(yaw), max(1, round(FLIP_S * fps))
    if n <= reach:
        return np.ones(n, bool)
    change = np.abs((yaw[reach:] - yaw[:-reach] + 180) % 360 - 180) > FLIP
    edges = np.flatnonzero(np.diff(np.concatenate([[0], change.astype(int), [0]])))
    side, at_flip = np.zeros(n, int), np.zeros(n, bool)
    for start, stop in zip(edges[::2], edges[1::2], strict=True):
        middle = (start + stop - 1 + reach) // 2 + 1
        side[middle:] ^= 1
        at_flip[max(0, middle - reach) : middle + reach] = True
    likelier = 1 if side.mean() > 0.5 else 0
    return (side == likelier) & ~at_flip


def _measure_heading(joints: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Measure the level axis to the left (N, 3) and the heading (N,) in degrees: 0 to the camera, left is positive."""
    across = sum(joints[:, _J[f"left_{part}"]] - joints[:, _J[f"right_{part}"]] for part in ("shoulder", "hip"))
    level_left = _normalize(across - _dot(across, up)[:, None] * up)
    heading = np.cross(level_left, up)
    to_camera = _normalize(np.array([0.0, 0.0, -1.0]) + up * up[2])
    return level_left, np.degrees(np.arctan2(heading @ np.cross(up, to_camera), heading @ to_camera))


def _find_visible_rows(pose: Pose2D, names: tuple[str, str], good: np.ndarray, min_score: float) -> np.ndarray:
    columns = []
    for side in SIDES:
        ks = [pose.names.index(f"{side}_{n}") for n in names if f"{side}_{n}" in pose.names]
        columns.append(good & (pose.scores[:, ks].min(1) >= min_score) if ks else np.zeros_like(good))
    return np.stack(columns, 1)


def measure_signals(
    motion: SmplMotion, pose: Pose2D, fps: float, min_confidence: float, min_visibility: float
) -> BodySignals:
    """Measure the series of one clip. Rows below `min_confidence` are interpolated from their neighbours."""
    good = motion.valid & (motion.confidence >= min_confidence)
    raw_yaw = _measure_heading(motion.joints.astype(np.float64), np.array([0.0, -1.0, 0.0]))[1]
    good = good & find_unflipped_rows(raw_yaw, fps)
    joints = smooth_rows(motion.joints, good.astype(np.float64), SMOOTH_S * fps)
    rest = motion.rest_joints.astype(np.float64)
    stature = 1.1 * float(rest[_J["head"], 1] - rest[[_J["left_foot"], _J["right_foot"]], 1].mean())
    joints = joints / stature
    up = estimate_vertical(joints, good)

    def get_joint(name: str) -> np.ndarray:
        return joints[:, _J[name]]

    pelvis = get_joint("pelvis")
    trunk_up = _normalize(get_joint("neck") - pelvis)
    shoulders = get_joint("left_shoulder") - get_joint("right_shoulder")
    left = _normalize(shoulders - _dot(shoulders, trunk_up)[:, None] * trunk_up)
    forward = np.cross(left, trunk_up)
    level_left, turned = _measure_heading(joints, up)
    yaw = np.unwrap(turned, period=360)
    heading = np.cross(level_left, up)
    to_camera = _normalize(np.array([0.0, 0.0, -1.0]) + up * up[2])

    def get_pair(name: str) -> np.ndarray:
        return np.stack([get_joint(f"left_{name}"), get_joint(f"right_{name}")], 1)

    def project(v: np.ndarray, axis: np.ndarray) -> np.ndarray:
        return _dot(v, axis[:, None] if axis.ndim == 2 else axis)

    sign = np.array([1.0, -1.0])
    shoulder, elbow, wrist = get_pair("shoulder"), get_pair("elbow"), get_pair("wrist")
    hip, knee, ankle, foot = get_pair("hip"), get_pair("knee"), get_pair("ankle"), get_pair("foot")
    hand, thigh, leg = wrist - shoulder, knee - hip, ankle - hip
    ends = np.concatenate([wrist, ankle], 1) - pelvis[:, None]
    speed = np.linalg.norm(np.gradient(ends, axis=0), axis=-1).max(1) * fps if len(ends) > 1 else np.zeros(len(ends))
    bones = np.linalg.norm(thigh, axis=-1) + np.linalg.norm(ankle - knee, axis=-1)
    image_right = _normalize(np.array([1.0, 0, 0]) - up * up[0])
    return BodySignals(
        fps=fps,
        stature=stature,
        good=good,
        arms_visible=_find_visible_rows(pose, ("elbow", "wrist"), good, min_visibility),
        legs_visible=_find_visible_rows(pose, ("knee", "ankle"), good, min_visibility),
        hand_up=project(hand, trunk_up),
        hand_forward=project(hand, forward),
        hand_out=project(hand, left) * sign,
        elbow=_measure_flexion(shoulder, elbow, wrist),
        knee=_measure_flexion(hip, knee, ankle),
        thigh_pitch=np.degrees(np.arctan2(project(thigh, heading), -project(thigh, up))),
        foot_up=project(ankle - pelvis[:, None], up),
        foot_forward=project(leg, heading),
        foot_out=project(leg, level_left) * sign,
        leg_stretch=np.linalg.norm(leg, axis=-1) / np.maximum(bones, 1e-9),
        lean_forward=np.degrees(np.arctan2(_dot(trunk_up, heading), trunk_up @ up)),
        lean_left=np.degrees(np.arctan2(_dot(trunk_up, level_left), trunk_up @ up)),
        yaw=yaw,
        frontal=np.abs(np.cos(np.radians(yaw))) >= 0.7,
        pelvis=np.stack([pelvis @ image_right, pelvis @ up, pelvis @ -to_camera], 1),
        lowest_foot=(foot @ up).min(1),
        limb_speed=speed,
    )

"""Time series of the body in its own terms, smoothed: how high each hand is, how far each knee bends, where it faces.

Arrays (N, 2) hold the left side in column 0 and the right in column 1. Lengths are in body lengths (stature), angles in
degrees. "Up" is the clip's vertical, the rest is measured in the person's own frame: a rolled camera changes nothing.
"""

from dataclasses import dataclass

import numpy as np

from humove.skeletons import SMPL_JOINTS
from humove.types import Pose2D, SmplMotion

SMOOTH_S = 0.07
"""Standard deviation of the Gaussian in time. Waves up to about 3 Hz pass, landmark jitter does not."""
FLIP, FLIP_S = 110.0, 0.12
"""A heading that changes by so many degrees in so many seconds (over 900 degrees a second) is a tracker that took the
person's front for the back."""
SIDES = ("left", "right")
_J = {name: k for k, name in enumerate(SMPL_JOINTS)}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class BodySignals:
    """All of one clip's series; N rows, one a frame."""

    fps: float
    stature: float
    """Metres from the soles to the crown, from the rest joints."""
    good: np.ndarray
    """(N,) bool: the motion is confident."""
    arms_seen: np.ndarray
    legs_seen: np.ndarray
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
    picture plane, where one camera measures it."""
    pelvis: np.ndarray
    """(N, 3) pelvis along the picture's right, up, and away from the camera."""
    lowest_foot: np.ndarray
    """(N,) height of the lower foot's joint in the camera frame."""
    limb_speed: np.ndarray
    """(N,) the fastest of hands and feet against the pelvis, body lengths a second."""

    def __len__(self) -> int:
        return len(self.good)


def smooth(values: np.ndarray, weights: np.ndarray, sigma: float) -> np.ndarray:
    """Gaussian mean along axis 0 of (N, ...) with row weights (N,); rows without any weight near are interpolated."""
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
    sure = np.flatnonzero(mass > 1e-3)
    mean = total[sure] / mass[sure, None]
    rows = np.arange(n)
    out = np.stack([np.interp(rows, sure, mean[:, k]) for k in range(flat.shape[1])], 1)
    return out.reshape(values.shape)


def _unit(v: np.ndarray) -> np.ndarray:
    return v / np.maximum(np.linalg.norm(v, axis=-1, keepdims=True), 1e-9)


def _dot(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    return (a * b).sum(-1)


def _flexion(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> np.ndarray:
    return np.degrees(np.arccos(np.clip(_dot(_unit(b - a), _unit(c - b)), -1, 1)))


def vertical(joints: np.ndarray, good: np.ndarray) -> np.ndarray:
    """(3,) the clip's up in the camera frame.

    The camera's own up, unless the body's long axis (ankles to neck) is steady and leans from it by 12 to 50 degrees:
    then the camera is rolled or pitched, and the body's axis is the better vertical.
    """
    up = np.array([0.0, -1.0, 0.0])
    if not good.any():
        return up
    axes = _unit(joints[good, _J["neck"]] - joints[good][:, [_J["left_ankle"], _J["right_ankle"]]].mean(1))
    mean = _unit(np.median(axes, axis=0))
    spread = np.degrees(np.median(np.arccos(np.clip(axes @ mean, -1, 1))))
    tilt = np.degrees(np.arccos(np.clip(mean @ up, -1, 1)))
    return mean if 12 <= tilt <= 50 and spread <= 10 else up


def unflipped(yaw: np.ndarray, fps: float) -> np.ndarray:
    """(N,) bool: rows on the likelier side of every impossible half turn of the heading (N,) in degrees.

    The rows at a flip, and the spans after it that make up the lesser part of the clip, have left and right exchanged:
    nothing is to be said of them.
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


def _heading(joints: np.ndarray, up: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The level axis to the person's left (N, 3) and the heading in degrees (N,): 0 to the camera, left is positive."""
    across = sum(joints[:, _J[f"left_{part}"]] - joints[:, _J[f"right_{part}"]] for part in ("shoulder", "hip"))
    level_left = _unit(across - _dot(across, up)[:, None] * up)
    heading = np.cross(level_left, up)
    to_camera = _unit(np.array([0.0, 0.0, -1.0]) + up * up[2])
    return level_left, np.degrees(np.arctan2(heading @ np.cross(up, to_camera), heading @ to_camera))


def _seen(pose: Pose2D, names: tuple[str, str], good: np.ndarray, min_score: float) -> np.ndarray:
    columns = []
    for side in SIDES:
        ks = [pose.names.index(f"{side}_{n}") for n in names if f"{side}_{n}" in pose.names]
        columns.append(good & (pose.scores[:, ks].min(1) >= min_score) if ks else np.zeros_like(good))
    return np.stack(columns, 1)


def measure(motion: SmplMotion, pose: Pose2D, fps: float, min_confidence: float, min_visibility: float) -> BodySignals:
    """The series of one clip. Rows below `min_confidence` weigh nothing; they are filled in from their neighbours."""
    good = motion.valid & (motion.confidence >= min_confidence)
    raw_yaw = _heading(motion.joints.astype(np.float64), np.array([0.0, -1.0, 0.0]))[1]
    good = good & unflipped(raw_yaw, fps)
    joints = smooth(motion.joints, good.astype(np.float64), SMOOTH_S * fps)
    rest = motion.rest_joints.astype(np.float64)
    stature = 1.1 * float(rest[_J["head"], 1] - rest[[_J["left_foot"], _J["right_foot"]], 1].mean())
    joints = joints / stature
    up = vertical(joints, good)

    def j(name: str) -> np.ndarray:
        return joints[:, _J[name]]

    pelvis = j("pelvis")
    trunk_up = _unit(j("neck") - pelvis)
    shoulders = j("left_shoulder") - j("right_shoulder")
    left = _unit(shoulders - _dot(shoulders, trunk_up)[:, None] * trunk_up)
    forward = np.cross(left, trunk_up)
    level_left, turned = _heading(joints, up)
    yaw = np.unwrap(turned, period=360)
    heading = np.cross(level_left, up)
    to_camera = _unit(np.array([0.0, 0.0, -1.0]) + up * up[2])

    def pair(name: str) -> np.ndarray:
        return np.stack([j(f"left_{name}"), j(f"right_{name}")], 1)

    def along(v: np.ndarray, axis: np.ndarray) -> np.ndarray:
        return _dot(v, axis[:, None] if axis.ndim == 2 else axis)

    sign = np.array([1.0, -1.0])
    shoulder, elbow, wrist = pair("shoulder"), pair("elbow"), pair("wrist")
    hip, knee, ankle, foot = pair("hip"), pair("knee"), pair("ankle"), pair("foot")
    hand, thigh, leg = wrist - shoulder, knee - hip, ankle - hip
    ends = np.concatenate([wrist, ankle], 1) - pelvis[:, None]
    speed = np.linalg.norm(np.gradient(ends, axis=0), axis=-1).max(1) * fps if len(ends) > 1 else np.zeros(len(ends))
    bones = np.linalg.norm(thigh, axis=-1) + np.linalg.norm(ankle - knee, axis=-1)
    picture_right = _unit(np.array([1.0, 0, 0]) - up * up[0])
    return BodySignals(
        fps=fps,
        stature=stature,
        good=good,
        arms_seen=_seen(pose, ("elbow", "wrist"), good, min_visibility),
        legs_seen=_seen(pose, ("knee", "ankle"), good, min_visibility),
        hand_up=along(hand, trunk_up),
        hand_forward=along(hand, forward),
        hand_out=along(hand, left) * sign,
        elbow=_flexion(shoulder, elbow, wrist),
        knee=_flexion(hip, knee, ankle),
        thigh_pitch=np.degrees(np.arctan2(along(thigh, heading), -along(thigh, up))),
        foot_up=along(ankle - pelvis[:, None], up),
        foot_forward=along(leg, heading),
        foot_out=along(leg, level_left) * sign,
        leg_stretch=np.linalg.norm(leg, axis=-1) / np.maximum(bones, 1e-9),
        lean_forward=np.degrees(np.arctan2(_dot(trunk_up, heading), trunk_up @ up)),
        lean_left=np.degrees(np.arctan2(_dot(trunk_up, level_left), trunk_up @ up)),
        yaw=yaw,
        frontal=np.abs(np.cos(np.radians(yaw))) >= 0.7,
        pelvis=np.stack([pelvis @ picture_right, pelvis @ up, pelvis @ -to_camera], 1),
        lowest_foot=(foot @ up).min(1),
        limb_speed=speed,
    )

"""The motion itself, counted from motion.npz: validity, confidence, speed, ranges of the joints, variety of poses."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from humove.rotations import axis_angle_to_matrix
from humove.skeletons import SMPL_JOINTS
from humove.types import SmplMotion
from shards.npz import decode_motion
from shards.report.distribution import distribution, share, summary, tidy
from shards.report.source import ReportSource

MOST_CLIPS = 2000
"""Of larger sets so many clips are read, evenly spread."""
_FRAMES_FOR_ANGLES, _POSES_A_CLIP, _PAIRS = 64, 2, 4000
_LIMBS = [SMPL_JOINTS.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("wrist", "ankle")]
_FRONT_DEG, _BACK_DEG = 45.0, 135.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ClipMotion:
    """What is kept of one clip's motion."""

    frames: int
    valid: int
    confidence: np.ndarray
    """(N,)"""
    root_speed: np.ndarray
    """(N - 1,) m/s, of the pelvis, between valid frames."""
    limb_speed: np.ndarray
    """(N - 1,) m/s, mean of wrists and ankles about the pelvis."""
    angles: np.ndarray
    """(<= 64, 24) degrees that each joint is turned by, 0..180."""
    poses: np.ndarray
    """(<= 2, 24, 3) m, joints about the pelvis, turned to face one way."""
    facing: np.ndarray
    """(<= 64,) degrees between the way the person faces and the way to the camera, 0..180."""
    distance: float
    """m from the camera, median."""


def motion(source: ReportSource) -> dict[str, Any]:
    """Figures of the motion of at most MOST_CLIPS clips; `clips` of `of` says how many were read."""
    source.say("reading motion")
    read = list(_clips(source))
    frames, valid = sum(each.frames for each in read), sum(each.valid for each in read)
    angles = _stack([each.angles for each in read], (0, 24))
    joints = {}
    for joint, name in enumerate(SMPL_JOINTS[1:], start=1):
        low, q1, middle, q3, high = _percentiles(angles[:, joint], (1, 25, 50, 75, 99))
        joints[name] = {"p01": low, "p25": q1, "median": middle, "p75": q3, "p99": high}
    facing = _stack([each.facing for each in read], (0,))
    return {
        "clips": len(read),
        "of": len(source.index),
        "sampled": len(source.index) > MOST_CLIPS,
        "frames": frames,
        "valid_frames": valid,
        "valid_frames_share": share(valid, frames),
        "confidence": distribution(_stack([each.confidence for each in read], (0,))),
        "valid_share": distribution(np.array([each.valid / each.frames for each in read])),
        "root_speed": distribution(_stack([each.root_speed for each in read], (0,))),
        "limb_speed": distribution(_stack([each.limb_speed for each in read], (0,))),
        "distance_m": summary(np.array([each.distance for each in read])),
        "facing": {
            "front": share(int((facing < _FRONT_DEG).sum()), len(facing)),
            "side": share(int(((facing >= _FRONT_DEG) & (facing <= _BACK_DEG)).sum()), len(facing)),
            "back": share(int((facing > _BACK_DEG).sum()), len(facing)),
        },
        "diversity": _diversity([each.poses for each in read]),
        "joint_degrees": joints,
    }


def _clips(source: ReportSource) -> Iterator[_ClipMotion]:
    for row, raw in source.members(source.spread(MOST_CLIPS), "motion.npz"):
        yield _measure(decode_motion(raw), float(row.fps))


def _measure(motion: SmplMotion, fps: float) -> _ClipMotion:
    valid, joints = motion.valid, motion.joints.astype(np.float64)
    both = valid[1:] & valid[:-1]
    around = joints - joints[:, :1]
    root = np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1) * fps
    limbs = np.linalg.norm(np.diff(around[:, _LIMBS], axis=0), axis=-1).mean(-1) * fps
    rows = np.flatnonzero(valid)
    some = _evenly(rows, _FRAMES_FOR_ANGLES)
    turns = np.concatenate([motion.global_orient[some, None], motion.body_pose[some]], 1).astype(np.float64)
    angle = np.linalg.norm(turns, axis=-1) % (2 * np.pi)
    ahead = axis_angle_to_matrix(torch.from_numpy(turns[:, 0]))[:, :, 2].numpy()
    flat = ahead[:, [0, 2]] / np.maximum(np.linalg.norm(ahead[:, [0, 2]], axis=-1, keepdims=True), 1e-9)
    to_camera = -motion.transl[some][:, [0, 2]].astype(np.float64)
    to_camera /= np.maximum(np.linalg.norm(to_camera, axis=-1, keepdims=True), 1e-9)
    few = _evenly(np.arange(len(some)), _POSES_A_CLIP)
    return _ClipMotion(
        frames=len(valid),
        valid=int(valid.sum()),
        confidence=motion.confidence.astype(np.float32),
        root_speed=root[both].astype(np.float32),
        limb_speed=limbs[both].astype(np.float32),
        angles=np.degrees(np.minimum(angle, 2 * np.pi - angle)).astype(np.float32),
        poses=_turned(around[some[few]], flat[few]).astype(np.float32),
        facing=np.degrees(np.arccos(np.clip((flat * to_camera).sum(-1), -1, 1))).astype(np.float32),
        distance=float(np.median(joints[:, 0, 2])),
    )


def _turned(poses: np.ndarray, ahead_xz: np.ndarray) -> np.ndarray:
    """Poses (P, 24, 3) turned about the upright so that `ahead_xz` (P, 2) points away from the camera."""
    x, z = ahead_xz[:, 0, None], ahead_xz[:, 1, None]
    return np.stack([z * poses[..., 0] - x * poses[..., 2], poses[..., 1], x * poses[..., 0] + z * poses[..., 2]], -1)


def _diversity(poses: list[np.ndarray]) -> dict[str, Any]:
    """Mean distance of the joints of two poses of different clips (each about its pelvis, facing one way), mm."""
    clip = np.repeat(np.arange(len(poses)), [len(each) for each in poses])
    stacked = _stack(poses, (0, 24, 3))
    if len(set(clip.tolist())) < 2:
        return {"pairs": 0, "mean_distance_mm": None, "spread_mm": None}
    pick = np.random.default_rng(0).integers(0, len(stacked), (2, _PAIRS))
    pick = pick[:, clip[pick[0]] != clip[pick[1]]]
    apart = np.linalg.norm(stacked[pick[0]] - stacked[pick[1]], axis=-1).mean(-1)
    spread = np.linalg.norm(stacked.std(axis=0), axis=-1).mean()
    return {"pairs": len(apart), "mean_distance_mm": tidy(1000 * apart.mean()), "spread_mm": tidy(1000 * spread)}


def _evenly(rows: np.ndarray, most: int) -> np.ndarray:
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def _stack(arrays: list[np.ndarray], empty: tuple[int, ...]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(empty, np.float32)


def _percentiles(values: np.ndarray, at: tuple[int, ...]) -> list[float | None]:
    return [tidy(value) for value in np.percentile(values, at)] if len(values) else [None] * len(at)

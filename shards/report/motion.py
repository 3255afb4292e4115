"""Figures of the motion from motion.npz: validity, confidence, speed, joint ranges, diversity of poses."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from humove.motion.rotations import axis_angle_to_matrix
from humove.motion.skeletons import SMPL_JOINTS
from humove.types import SmplMotion
from shards.npz import decode_motion_npz
from shards.report.drawing.distribution import compute_share, round_figure, summarize_distribution, summarize_values
from shards.report.source import ReportSource

MOST_CLIPS = 2000
"""Larger sets are sampled: so many clips are read, evenly spread."""
_FRAMES_FOR_ANGLES, _POSES_A_CLIP, _PAIRS = 64, 2, 4000
_LIMBS = [SMPL_JOINTS.index(f"{side}_{joint}") for side in ("left", "right") for joint in ("wrist", "ankle")]
_FRONT_DEG, _BACK_DEG = 45.0, 135.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ClipStats:
    """Statistics of one clip's motion."""

    frames: int
    valid: int
    confidence: np.ndarray
    """(N,)"""
    root_speed: np.ndarray
    """(N - 1,) m/s, of the pelvis, between valid frames."""
    limb_speed: np.ndarray
    """(N - 1,) m/s, mean of wrists and ankles relative to the pelvis."""
    angles: np.ndarray
    """(<= 64, 24) rotation angle of each joint in degrees, 0..180."""
    poses: np.ndarray
    """(<= 2, 24, 3) m, joints relative to the pelvis, rotated to one facing direction."""
    facing: np.ndarray
    """(<= 64,) degrees between the facing direction and the direction to the camera, 0..180."""
    distance: float
    """m from the camera, median."""


def summarize_motion(source: ReportSource) -> dict[str, Any]:
    """Summarize the motion of at most MOST_CLIPS clips; `clips` of `of` were read."""
    source.log("reading motion")
    read = list(_measure_clips(source))
    frames, valid = sum(each.frames for each in read), sum(each.valid for each in read)
    angles = _stack_arrays([each.angles for each in read], (0, 24))
    joints = {}
    for joint, name in enumerate(SMPL_JOINTS[1:], start=1):
        low, q1, middle, q3, high = _compute_percentiles(angles[:, joint], (1, 25, 50, 75, 99))
        joints[name] = {"p01": low, "p25": q1, "median": middle, "p75": q3, "p99": high}
    facing = _stack_arrays([each.facing for each in read], (0,))
    return {
        "clips": len(read),
        "of": len(source.index),
        "sampled": len(source.index) > MOST_CLIPS,
        "frames": frames,
        "valid_frames": valid,
        "valid_frames_share": compute_share(valid, frames),
        "confidence": summarize_distribution(_stack_arrays([each.confidence for each in read], (0,))),
        "valid_share": summarize_distribution(np.array([each.valid / each.frames for each in read])),
        "root_speed": summarize_distribution(_stack_arrays([each.root_speed for each in read], (0,))),
        "limb_speed": summarize_distribution(_stack_arrays([each.limb_speed for each in read], (0,))),
        "distance_m": summarize_values(np.array([each.distance for each in read])),
        "facing": {
            "front": compute_share(int((facing < _FRONT_DEG).sum()), len(facing)),
            "side": compute_share(int(((facing >= _FRONT_DEG) & (facing <= _BACK_DEG)).sum()), len(facing)),
            "back": compute_share(int((facing > _BACK_DEG).sum()), len(facing)),
        },
        "diversity": _measure_diversity([each.poses for each in read]),
        "joint_degrees": joints,
    }


def _measure_clips(source: ReportSource) -> Iterator[_ClipStats]:
    for row, raw in source.iterate_members(source.pick_rows(MOST_CLIPS), "motion.npz"):
        yield _measure_clip(decode_motion_npz(raw), float(row.fps))


def _measure_clip(motion: SmplMotion, fps: float) -> _ClipStats:
    valid, joints = motion.valid, motion.joints.astype(np.float64)
    both = valid[1:] & valid[:-1]
    around = joints - joints[:, :1]
    root = np.linalg.norm(np.diff(joints[:, 0], axis=0), axis=-1) * fps
    limbs = np.linalg.norm(np.diff(around[:, _LIMBS], axis=0), axis=-1).mean(-1) * fps
    rows = np.flatnonzero(valid)
    picked = _pick_evenly(rows, _FRAMES_FOR_ANGLES)
    turns = np.concatenate([motion.global_orient[picked, None], motion.body_pose[picked]], 1).astype(np.float64)
    angle = np.linalg.norm(turns, axis=-1) % (2 * np.pi)
    ahead = axis_angle_to_matrix(torch.from_numpy(turns[:, 0]))[:, :, 2].numpy()
    flat = ahead[:, [0, 2]] / np.maximum(np.linalg.norm(ahead[:, [0, 2]], axis=-1, keepdims=True), 1e-9)
    to_camera = -motion.transl[picked][:, [0, 2]].astype(np.float64)
    to_camera /= np.maximum(np.linalg.norm(to_camera, axis=-1, keepdims=True), 1e-9)
    few = _pick_evenly(np.arange(len(picked)), _POSES_A_CLIP)
    return _ClipStats(
        frames=len(valid),
        valid=int(valid.sum()),
        confidence=motion.confidence.astype(np.float32),
        root_speed=root[both].astype(np.float32),
        limb_speed=limbs[both].astype(np.float32),
        angles=np.degrees(np.minimum(angle, 2 * np.pi - angle)).astype(np.float32),
        poses=_rotate_poses(around[picked[few]], flat[few]).astype(np.float32),
        facing=np.degrees(np.arccos(np.clip((flat * to_camera).sum(-1), -1, 1))).astype(np.float32),
        distance=float(np.median(joints[:, 0, 2])),
    )


def _rotate_poses(poses: np.ndarray, ahead_xz: np.ndarray) -> np.ndarray:
    """Rotate poses (P, 24, 3) about the vertical so that `ahead_xz` (P, 2) points away from the camera."""
    x, z = ahead_xz[:, 0, None], ahead_xz[:, 1, None]
    return np.stack([z * poses[..., 0] - x * poses[..., 2], poses[..., 1], x * poses[..., 0] + z * poses[..., 2]], -1)


def _measure_diversity(poses: list[np.ndarray]) -> dict[str, Any]:
    """Measure the mean joint distance in mm of poses of different clips (relative to the pelvis, facing one way)."""
    clip = np.repeat(np.arange(len(poses)), [len(each) for each in poses])
    stacked = _stack_arrays(poses, (0, 24, 3))
    if len(set(clip.tolist())) < 2:
        return {"pairs": 0, "mean_distance_mm": None, "spread_mm": None}
    pick = np.random.default_rng(0).integers(0, len(stacked), (2, _PAIRS))
    pick = pick[:, clip[pick[0]] != clip[pick[1]]]
    apart = np.linalg.norm(stacked[pick[0]] - stacked[pick[1]], axis=-1).mean(-1)
    spread = np.linalg.norm(stacked.std(axis=0), axis=-1).mean()
    mean_mm, spread_mm = round_figure(1000 * apart.mean()), round_figure(1000 * spread)
    return {"pairs": len(apart), "mean_distance_mm": mean_mm, "spread_mm": spread_mm}


def _pick_evenly(rows: np.ndarray, most: int) -> np.ndarray:
    return rows if len(rows) <= most else rows[np.linspace(0, len(rows) - 1, most).round().astype(int)]


def _stack_arrays(arrays: list[np.ndarray], empty: tuple[int, ...]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.zeros(empty, np.float32)


def _compute_percentiles(values: np.ndarray, at: tuple[int, ...]) -> list[float | None]:
    return [round_figure(value) for value in np.percentile(values, at)] if len(values) else [None] * len(at)

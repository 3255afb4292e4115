"""Measure the smoothing on motion capture with noise like that of a per-frame model.

    python scripts/measure_smoothing.py motion/test            # a folder of BVH files
    python scripts/measure_smoothing.py motion/test --width 0.05

Each file's middle six seconds at 30 frames/s. "mild": rotations off by 2 degrees, the pelvis by 5 mm across and 20 mm
in depth, one loss of 3 to 8 frames. "rough": 5 degrees, 12 and 50 mm, and on 2 % of the frames the body is rotated
and a third of its joints are randomized. Noise is correlated between frames (0.5). Prints means over the files, before
and after: MPJPE about the pelvis (mm; on valid frames, its 99th percentile, on lost frames), acceleration error
(mm/frame^2), the pelvis' error (mm), jitter (m/s^3).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch

from annotators.motion_quality.measure import compute_jitter
from annotators.motion_smoothing.config import SmoothingConfig
from annotators.motion_smoothing.raw import RawMotion
from annotators.motion_smoothing.smoothing import smooth_motion
from humove.motion.body import Body, compute_joints
from humove.motion.bvh import read_bvh
from humove.motion.retarget import retarget_bvh
from humove.motion.rotations import resample_linear, resample_rotations

FPS, SECONDS, LEAST = 30.0, 6.0, 60
FIGURES = ("mpjpe", "p99", "lost", "acceleration", "pelvis", "jitter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Roughness:
    """The noise of a simulated model."""

    degrees: float
    outliers: bool


LEVELS = {
    "clean": Roughness(degrees=0, outliers=False),
    "mild": Roughness(degrees=2, outliers=False),
    "rough": Roughness(degrees=5, outliers=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=float, default=SmoothingConfig().width_s, help="width_s")
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips = [clip for path in sorted(args.folder.rglob("*.bvh")) if (clip := read_clip(path)) is not None]
    print(f"{len(clips)} clips; width_s {args.width}\n{'':<16}" + "".join(f"{name:>14}" for name in FIGURES))
    for name, level in LEVELS.items():
        for width, label in ((0.0, "before"), (args.width, "after")):
            rows = [compute_figures(*clip, level, width, seed) for seed, clip in enumerate(clips)]
            print(f"{name + ' ' + label:<16}" + "".join(f"{value:14.1f}" for value in np.mean(rows, 0)))


def read_clip(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Read pose (N, 24, 3) and translation (N, 3) of a file's middle; None if it is too short."""
    motion = retarget_bvh(read_bvh(path), Body.load(), source=path)
    times = np.arange(len(motion.transl)) / motion.fps
    new_times = np.arange(0, min(times[-1], SECONDS), 1 / FPS) + max(0, (times[-1] - SECONDS) / 2)
    if len(new_times) < LEAST:
        return None
    pose = np.concatenate([motion.global_orient[:, None], motion.body_pose], 1)
    return resample_rotations(pose, times, new_times), resample_linear(motion.transl, times, new_times)


def compute_figures(pose: np.ndarray, transl: np.ndarray, level: Roughness, width: float, seed: int) -> list[float]:
    rest = Body.load().rest_joints
    raw, valid = roughen(pose, transl, level, np.random.default_rng(seed))
    out = smooth_motion(raw, valid, FPS, SmoothingConfig(width_s=width))
    truth = compute_joints(rest, pose[:, 0], pose[:, 1:], transl)
    off = (out.joints - out.joints[:, :1]) - (truth - truth[:, :1])
    each = 1000 * np.linalg.norm(off, axis=-1).mean(-1)
    return [
        each[valid].mean(),
        np.percentile(each, 99),
        each[~valid].mean() if level.degrees else 0.0,
        1000 * np.linalg.norm(np.diff(off, 2, axis=0), axis=-1).mean(),
        1000 * np.linalg.norm(out.transl - transl, axis=-1).mean(),
        compute_jitter(out.joints, FPS),
    ]


def roughen(
    pose: np.ndarray, transl: np.ndarray, level: Roughness, rng: np.random.Generator
) -> tuple[RawMotion, np.ndarray]:
    """Add noise of a level to a motion; returns it and the valid frames, (N,) bool."""
    n = len(pose)
    noise = rng.normal(0, 1, pose.shape)
    for i in range(1, n):
        noise[i] = 0.5 * noise[i - 1] + np.sqrt(0.75) * noise[i]
    pose = rotate(pose, np.radians(level.degrees) * noise / np.sqrt(3))
    transl = transl + rng.normal(0, 1, transl.shape) * (0.01, 0.01, 0.04) * level.degrees / 4
    valid = np.ones(n, bool)
    if level.outliers:
        for i in rng.choice(n - 1, max(1, n // 50), replace=False):
            bad = slice(i, i + int(rng.integers(1, 3)))
            joints = rng.choice(24, 8, replace=False)
            pose[bad, joints] = rotate(pose[bad, joints], rng.normal(0, 0.6, pose[bad, joints].shape))
            pose[bad, 0] = rotate(pose[bad, 0], np.array([0, rng.uniform(1, np.pi), 0]))
            transl[bad] += rng.normal(0, 0.2, 3)
    if level.degrees:
        start = int(rng.integers(5, n - 15))
        valid[start : start + int(rng.integers(3, 9))] = False
        pose[~valid], transl[~valid] = np.nan, np.nan
    rest = Body.load().rest_joints
    return RawMotion(
        betas=np.zeros((n, 10)),
        rest_joints=rest[None].repeat(n, 0),
        global_orient=pose[:, 0],
        body_pose=pose[:, 1:],
        transl=transl,
        confidence=np.ones(n),
    ), valid


def rotate(axis_angle: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Compose rotations (..., 3) with another one in their own frame."""
    one, other = (torch.from_numpy(np.broadcast_to(x, axis_angle.shape).astype(np.float64)) for x in (axis_angle, by))
    return roma.rotvec_composition([one, other]).numpy()


if __name__ == "__main__":
    main()

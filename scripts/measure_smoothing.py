"""What the smoothing does to motion capture made rough, as a model makes it that looks at each frame by itself.

    python scripts/measure_smoothing.py motion/test            # a folder of BVH files
    python scripts/measure_smoothing.py motion/test --width 0.05

Each file's middle six seconds at 30 frames/s. "mild": rotations off by 2 degrees, the pelvis by 5 mm across and 20 mm
in depth, one loss of 3 to 8 frames. "rough": 5 degrees, 12 and 50 mm, and on 2 % of the frames the body is turned about
and a third of its joints are thrown. Noise is correlated from frame to frame (0.5). Prints means over the files, before
and after: MPJPE about the pelvis (mm; on seen frames, its 99th percentile, on lost frames), acceleration error
(mm/frame^2), the pelvis' error (mm), jitter (m/s^3).
"""

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import roma
import torch

from annotators.motion_quality import jitter
from annotators.motion_smoothing.config import SmoothingConfig
from annotators.motion_smoothing.raw import RawMotion
from annotators.motion_smoothing.smoothing import smoothed
from humove.body import Body, joints_of_pose
from humove.bvh import read_bvh
from humove.retarget import retarget
from humove.rotations import resample_linear, resample_rotations

FPS, SECONDS, LEAST = 30.0, 6.0, 60
FIGURES = ("mpjpe", "p99", "lost", "acceleration", "pelvis", "jitter")


@dataclass(frozen=True, slots=True, kw_only=True)
class Roughness:
    """How wrong a model is."""

    degrees: float
    thrown: bool


LEVELS = {
    "clean": Roughness(degrees=0, thrown=False),
    "mild": Roughness(degrees=2, thrown=False),
    "rough": Roughness(degrees=5, thrown=True),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--width", type=float, default=SmoothingConfig().width_s, help="width_s")
    args = parser.parse_args()
    torch.set_num_threads(1)
    clips = [clip for path in sorted(args.folder.rglob("*.bvh")) if (clip := read(path)) is not None]
    print(f"{len(clips)} clips; width_s {args.width}\n{'':<16}" + "".join(f"{name:>14}" for name in FIGURES))
    for name, level in LEVELS.items():
        for width, said in ((0.0, "before"), (args.width, "after")):
            rows = [figures(*clip, level, width, seed) for seed, clip in enumerate(clips)]
            print(f"{name + ' ' + said:<16}" + "".join(f"{value:14.1f}" for value in np.mean(rows, 0)))


def read(path: Path) -> tuple[np.ndarray, np.ndarray] | None:
    """Pose (N, 24, 3) and translation (N, 3) of a file's middle; None where it is too short."""
    motion = retarget(read_bvh(path), Body.load(), source=path)
    times = np.arange(len(motion.transl)) / motion.fps
    wanted = np.arange(0, min(times[-1], SECONDS), 1 / FPS) + max(0, (times[-1] - SECONDS) / 2)
    if len(wanted) < LEAST:
        return None
    pose = np.concatenate([motion.global_orient[:, None], motion.body_pose], 1)
    return resample_rotations(pose, times, wanted), resample_linear(motion.transl, times, wanted)


def figures(pose: np.ndarray, transl: np.ndarray, level: Roughness, width: float, seed: int) -> list[float]:
    rest = Body.load().rest_joints
    raw, valid = roughened(pose, transl, level, np.random.default_rng(seed))
    out = smoothed(raw, valid, FPS, SmoothingConfig(width_s=width))
    truth = joints_of_pose(rest, pose[:, 0], pose[:, 1:], transl)
    off = (out.joints - out.joints[:, :1]) - (truth - truth[:, :1])
    each = 1000 * np.linalg.norm(off, axis=-1).mean(-1)
    return [
        each[valid].mean(),
        np.percentile(each, 99),
        each[~valid].mean() if level.degrees else 0.0,
        1000 * np.linalg.norm(np.diff(off, 2, axis=0), axis=-1).mean(),
        1000 * np.linalg.norm(out.transl - transl, axis=-1).mean(),
        jitter(out.joints, FPS),
    ]


def roughened(
    pose: np.ndarray, transl: np.ndarray, level: Roughness, rng: np.random.Generator
) -> tuple[RawMotion, np.ndarray]:
    """What a model says that is as wrong as `level`, and the frames on which it says anything."""
    n = len(pose)
    noise = rng.normal(0, 1, pose.shape)
    for i in range(1, n):
        noise[i] = 0.5 * noise[i - 1] + np.sqrt(0.75) * noise[i]
    pose = turned(pose, np.radians(level.degrees) * noise / np.sqrt(3))
    transl = transl + rng.normal(0, 1, transl.shape) * (0.01, 0.01, 0.04) * level.degrees / 4
    valid = np.ones(n, bool)
    if level.thrown:
        for i in rng.choice(n - 1, max(1, n // 50), replace=False):
            spoilt = slice(i, i + int(rng.integers(1, 3)))
            joints = rng.choice(24, 8, replace=False)
            pose[spoilt, joints] = turned(pose[spoilt, joints], rng.normal(0, 0.6, pose[spoilt, joints].shape))
            pose[spoilt, 0] = turned(pose[spoilt, 0], np.array([0, rng.uniform(1, np.pi), 0]))
            transl[spoilt] += rng.normal(0, 0.2, 3)
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


def turned(axis_angle: np.ndarray, by: np.ndarray) -> np.ndarray:
    """Rotations (..., 3) with another one after each, in its own frame."""
    one, other = (torch.from_numpy(np.broadcast_to(x, axis_angle.shape).astype(np.float64)) for x in (axis_angle, by))
    return roma.rotvec_composition([one, other]).numpy()


if __name__ == "__main__":
    main()

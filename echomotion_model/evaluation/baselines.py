"""Baselines without a model: the training split's means, and its nearest clip."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from echomotion_model.evaluation.target import Target


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearest:
    """The training clip nearest to a target."""

    key: str
    distance: float
    """Mean squared difference."""
    output: np.ndarray
    """Nearest by video: its joints (T, 24, 3) m. Nearest by motion: its frames (T, H, W, 3) uint8."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baselines:
    """The baselines from one training split, for some targets."""

    clips: int
    """Number of training clips read."""
    mean_pose: np.ndarray
    """(24, 3) m: mean joints about the pelvis, over every valid frame."""
    mean_frames: dict[tuple[int, int], np.ndarray]
    """By width and height, (H, W, 3) uint8: the mean frame of the training clips of that size."""
    by_video: dict[str, Nearest]
    """By a target's key: the clip with the nearest latents; no entry if no other clip has that bucket."""
    by_motion: dict[str, Nearest]
    """By a target's key: the clip with the nearest normalised motion."""


def gather_baselines(training: Iterable[Target], targets: Sequence[Target]) -> Baselines:
    """Gather baselines from training clips, read one at a time. A target is not its own neighbour."""
    pose, frames, clips = np.zeros((24, 3)), 0, 0
    sums: dict[tuple[int, int], tuple[np.ndarray, int]] = {}
    by_video: dict[str, Nearest] = {}
    by_motion: dict[str, Nearest] = {}
    for clip in training:
        clips += 1
        joints = clip.sample.joints[clip.sample.valid].astype(np.float64)
        pose += (joints - joints[:, :1]).sum(0)
        frames += len(joints)
        size = (clip.bucket.width, clip.bucket.height)
        total, count = sums.get(size, (0.0, 0))
        sums[size] = total + clip.sample.video.sum(0, dtype=np.float64), count + len(clip.sample.video)
        for target in targets:
            if target.bucket != clip.bucket or target.key == clip.key:
                continue
            _keep_nearer(by_video, target.key, clip.key, target.latents_BCFHW, clip.latents_BCFHW, clip.sample.joints)
            _keep_nearer(by_motion, target.key, clip.key, target.motion_BTD, clip.motion_BTD, clip.sample.video)
    return Baselines(
        clips=clips,
        mean_pose=pose / max(frames, 1),
        mean_frames={size: (total / count).round().astype(np.uint8) for size, (total, count) in sums.items()},
        by_video=by_video,
        by_motion=by_motion,
    )


def _keep_nearer(
    best: dict[str, Nearest], target: str, key: str, wanted: torch.Tensor, found: torch.Tensor, output: np.ndarray
) -> None:
    distance = float((wanted.double() - found.double()).square().mean())
    if target not in best or distance < best[target].distance:
        best[target] = Nearest(key=key, distance=distance, output=output)

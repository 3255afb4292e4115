"""Answers that need no model: what the training split is like on the whole, and its clip that is most alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from echomotion_model.evaluation.target import Target


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Nearest:
    """The training clip that is most like a target."""

    key: str
    distance: float
    """Mean squared difference."""
    answer: np.ndarray
    """By its video: its joints (T, 24, 3) m. By its motion: its pictures (T, H, W, 3) uint8."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Baselines:
    """Of one training split, for some targets."""

    clips: int
    """Training clips that were read."""
    mean_pose: np.ndarray
    """(24, 3) m: mean joints about the pelvis, over every valid frame."""
    mean_pictures: dict[tuple[int, int], np.ndarray]
    """By width and height, (H, W, 3) uint8: the mean frame of the training clips of that size."""
    by_video: dict[str, Nearest]
    """By a target's key: the clip whose latents are nearest; none where no other clip has that bucket."""
    by_motion: dict[str, Nearest]
    """By a target's key: the clip whose normalised motion is nearest."""


def gather(training: Iterable[Target], targets: Sequence[Target]) -> Baselines:
    """Reads training clips one at a time. A target that trains itself is no neighbour of its own."""
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
            _keep(by_video, target.key, clip.key, target.latents_BCFHW, clip.latents_BCFHW, clip.sample.joints)
            _keep(by_motion, target.key, clip.key, target.motion_BTD, clip.motion_BTD, clip.sample.video)
    return Baselines(
        clips=clips,
        mean_pose=pose / max(frames, 1),
        mean_pictures={size: (total / count).round().astype(np.uint8) for size, (total, count) in sums.items()},
        by_video=by_video,
        by_motion=by_motion,
    )


def _keep(
    best: dict[str, Nearest], target: str, key: str, wanted: torch.Tensor, found: torch.Tensor, answer: np.ndarray
) -> None:
    distance = float((wanted.double() - found.double()).square().mean())
    if target not in best or distance < best[target].distance:
        best[target] = Nearest(key=key, distance=distance, answer=answer)

"""Pose prior: a Gaussian over axis-angles from motion capture, and soft limits of the hinge joints."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

FREE_JOINTS = tuple(j for j in range(1, 24) if j not in (10, 11, 22, 23))
"""Joints that the fit rotates: all but the root (handled separately) and the ends, which no landmark determines."""

TABLE = Path(__file__).with_name("pose_prior.npz")

# (joint, axis, lowest, highest) in degrees, T-pose axes; knees bend about +x, the left elbow about -y.
_LIMITS = (
    (4, 0, -5, 155), (4, 1, -25, 25), (4, 2, -10, 10),
    (5, 0, -5, 155), (5, 1, -25, 25), (5, 2, -10, 10),
    (18, 1, -155, 5), (18, 2, -20, 20), (18, 0, -60, 100),
    (19, 1, -5, 155), (19, 2, -20, 20), (19, 0, -60, 100),
    (7, 0, -45, 50), (7, 1, -30, 30), (7, 2, -30, 30),
    (8, 0, -45, 50), (8, 1, -30, 30), (8, 2, -30, 30),
    (20, 0, -40, 40), (20, 1, -50, 50), (20, 2, -80, 80),
    (21, 0, -40, 40), (21, 1, -50, 50), (21, 2, -80, 80),
    (3, 0, -20, 45), (6, 0, -20, 40), (9, 0, -20, 40),
    (12, 0, -40, 50), (15, 0, -40, 50), (12, 1, -50, 50), (15, 1, -50, 50),
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PosePrior:
    """Mean and whitening of the axis-angles of FREE_JOINTS, flattened to 57 numbers."""

    mean: torch.Tensor
    """(57,)."""
    whiten: torch.Tensor
    """(57, 57): whiten @ (pose - mean) has unit covariance."""
    columns: torch.Tensor
    """(L,) entries of the pose that have limits."""
    low: torch.Tensor
    high: torch.Tensor

    def compute_cost(self, body: torch.Tensor) -> torch.Tensor:
        """Compute (N,) squared Mahalanobis distances of (N, 19, 3), saturating so that rare poses stay possible."""
        squared = ((body.flatten(1) - self.mean) @ self.whiten.T).square()
        return (squared / (1 + squared / 9)).sum(-1) / 57

    def compute_limit_cost(self, body: torch.Tensor) -> torch.Tensor:
        """Compute (N,) squared radians outside the limits, times 20, of (N, 19, 3)."""
        angles = body.flatten(1)[:, self.columns]
        over = (self.low - angles).clip(min=0) + (angles - self.high).clip(min=0)
        return 20 * over.square().sum(-1)


def load_prior(table: Path = TABLE) -> PosePrior:
    """Read the baked Gaussian."""
    with np.load(table, allow_pickle=False) as arrays:
        mean, whiten = (torch.from_numpy(arrays[key].astype(np.float32)) for key in ("mean", "whiten"))
    columns = torch.tensor([3 * FREE_JOINTS.index(joint) + axis for joint, axis, _, _ in _LIMITS])
    low, high = (torch.tensor(np.radians([row[i] for row in _LIMITS]), dtype=torch.float32) for i in (2, 3))
    return PosePrior(mean=mean, whiten=whiten, columns=columns, low=low, high=high)

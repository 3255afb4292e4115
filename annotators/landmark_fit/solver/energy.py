"""The terms of the fit's energy. Torch, vectorised over frames."""

from dataclasses import dataclass

import torch

from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.landmark_fit.prior import FREE_JOINTS, PosePrior
from humove.motion.body import compute_world_transforms
from humove.motion.rotations import axis_angle_to_matrix

_REACH_3D = 0.08
"""Metres at which a 3D residual starts to count as an outlier."""
_REACH_2D = 0.05
"""Metres, at the person's depth, for the 2D residuals."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitTargets:
    """Observations and constants of one clip's fit, torch float32. N frames, 33 landmarks."""

    rest_joints: torch.Tensor
    place: torch.Tensor
    frame: torch.Tensor
    offsets: torch.Tensor
    world: torch.Tensor
    """(N, 33, 3) m, scaled to the body."""
    rays: torch.Tensor
    """(N, 33, 2): pixel to the normalised image plane (x/z, y/z)."""
    weights_3d: torch.Tensor
    """(N, 33); 0 on frames without a person."""
    weights_2d: torch.Tensor
    """(N, 33)."""
    pace: float
    """fps / 30."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pose:
    """The unknowns: root rotation as an increment on its start, axis-angles of the other joints, translation."""

    root_start: torch.Tensor
    """(N, 3, 3)."""
    root: torch.Tensor
    """(N, 3) axis-angle increment."""
    body: torch.Tensor
    """(N, 19, 3) axis-angle of FREE_JOINTS."""
    transl: torch.Tensor
    """(N, 3) m."""

    def compute_rotmats(self) -> torch.Tensor:
        """Compute local rotations (N, 24, 3, 3)."""
        n = len(self.root)
        turns = axis_angle_to_matrix(torch.cat([self.root[:, None], self.body], 1))
        out = [torch.eye(3, dtype=turns.dtype).expand(n, 3, 3)] * 24
        out[0] = self.root_start @ turns[:, 0]
        for row, joint in enumerate(FREE_JOINTS, start=1):
            out[joint] = turns[:, row]
        return torch.stack(out, 1)


def compute_energy(pose: Pose, targets: FitTargets, prior: PosePrior, config: LandmarkFitConfig) -> torch.Tensor:
    """Compute the mean cost per frame."""
    rotmats = pose.compute_rotmats()
    turned, joints = compute_world_transforms(targets.rest_joints, rotmats, pose.transl)
    points = joints[:, targets.place] + (turned[:, targets.frame] @ targets.offsets[..., None])[..., 0]
    n = len(joints)

    off_3d = points - targets.world
    weights = targets.weights_3d[..., None]
    off_3d = off_3d - (off_3d * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clip(min=1e-6)
    cost = config.weight_3d * (_apply_geman_mcclure(off_3d.square().sum(-1), _REACH_3D) * targets.weights_3d).sum() / n

    depth = points[..., 2:].clip(min=0.2)
    off_2d = (points[..., :2] / depth - targets.rays) * joints[:, :1, 2:].detach().clip(min=0.2)
    cost = (
        cost
        + config.weight_2d * (_apply_geman_mcclure(off_2d.square().sum(-1), _REACH_2D) * targets.weights_2d).sum() / n
    )

    if n > 2:
        pace = targets.pace**2
        around = joints - joints[:, :1]
        turn = pace * (rotmats[2:] - 2 * rotmats[1:-1] + rotmats[:-2])
        bend = pace * (around[2:] - 2 * around[1:-1] + around[:-2])
        drift = pace * (pose.transl[2:] - 2 * pose.transl[1:-1] + pose.transl[:-2])
        still = 40 * bend.square().sum() + 100 * drift.square().sum() + 0.1 * turn.square().sum()
        cost = cost + config.weight_motion * still / n

    cost = cost + config.weight_pose * prior.compute_cost(pose.body).sum() / n
    return cost + config.weight_limits * prior.compute_limit_cost(pose.body).sum() / n


def _apply_geman_mcclure(squared: torch.Tensor, reach: float) -> torch.Tensor:
    """Apply the Geman-McClure function to squared residuals, scaled so that it is about x^2/reach^2 near 0."""
    scaled = squared / reach**2
    return scaled / (1 + 0.25 * scaled)

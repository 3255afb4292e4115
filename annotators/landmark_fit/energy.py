"""What a good motion is: the terms that the fit adds up. Torch, vectorised over frames."""

from dataclasses import dataclass

import torch

from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.landmark_fit.prior import FREE_JOINTS, PosePrior
from humove.body import world_transforms
from humove.rotations import axis_angle_to_matrix

_REACH_3D = 0.08
"""Metres at which a 3D residual starts to count as an outlier."""
_REACH_2D = 0.05
"""Metres, at the person's depth, for the 2D residuals."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Evidence:
    """Constants of one clip's fit, torch float32. N frames, 33 landmarks."""

    rest_joints: torch.Tensor
    place: torch.Tensor
    frame: torch.Tensor
    offsets: torch.Tensor
    world: torch.Tensor
    """(N, 33, 3) m, scaled to the body."""
    rays: torch.Tensor
    """(N, 33, 2): pixel to the normalised image plane (x/z, y/z)."""
    weights_3d: torch.Tensor
    """(N, 33); 0 where nothing was seen."""
    weights_2d: torch.Tensor
    """(N, 33)."""
    pace: float
    """fps / 30."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pose:
    """The unknowns: root rotation as an increment on its start, the other joints' axis-angle, translation."""

    root_start: torch.Tensor
    """(N, 3, 3)."""
    root: torch.Tensor
    """(N, 3) axis-angle increment."""
    body: torch.Tensor
    """(N, 19, 3) axis-angle of FREE_JOINTS."""
    transl: torch.Tensor
    """(N, 3) m."""

    def rotmats(self) -> torch.Tensor:
        """Local rotations (N, 24, 3, 3)."""
        n = len(self.root)
        turns = axis_angle_to_matrix(torch.cat([self.root[:, None], self.body], 1))
        out = [torch.eye(3, dtype=turns.dtype).expand(n, 3, 3)] * 24
        out[0] = self.root_start @ turns[:, 0]
        for row, joint in enumerate(FREE_JOINTS, start=1):
            out[joint] = turns[:, row]
        return torch.stack(out, 1)


def energy(pose: Pose, evidence: Evidence, prior: PosePrior, config: LandmarkFitConfig) -> torch.Tensor:
    """Mean cost a frame."""
    rotmats = pose.rotmats()
    turned, joints = world_transforms(evidence.rest_joints, rotmats, pose.transl)
    points = joints[:, evidence.place] + (turned[:, evidence.frame] @ evidence.offsets[..., None])[..., 0]
    n = len(joints)

    off_3d = points - evidence.world
    weights = evidence.weights_3d[..., None]
    off_3d = off_3d - (off_3d * weights).sum(1, keepdim=True) / weights.sum(1, keepdim=True).clip(min=1e-6)
    cost = config.weight_3d * (_robust(off_3d.square().sum(-1), _REACH_3D) * evidence.weights_3d).sum() / n

    depth = points[..., 2:].clip(min=0.2)
    off_2d = (points[..., :2] / depth - evidence.rays) * joints[:, :1, 2:].detach().clip(min=0.2)
    cost = cost + config.weight_2d * (_robust(off_2d.square().sum(-1), _REACH_2D) * evidence.weights_2d).sum() / n

    if n > 2:
        pace = evidence.pace**2
        around = joints - joints[:, :1]
        turn = pace * (rotmats[2:] - 2 * rotmats[1:-1] + rotmats[:-2])
        bend = pace * (around[2:] - 2 * around[1:-1] + around[:-2])
        drift = pace * (pose.transl[2:] - 2 * pose.transl[1:-1] + pose.transl[:-2])
        still = 40 * bend.square().sum() + 100 * drift.square().sum() + 0.1 * turn.square().sum()
        cost = cost + config.weight_motion * still / n

    cost = cost + config.weight_pose * prior.cost(pose.body).sum() / n
    return cost + config.weight_limits * prior.beyond_limits(pose.body).sum() / n


def _robust(squared: torch.Tensor, reach: float) -> torch.Tensor:
    """Squared within reach, then growing ever slower (Geman-McClure, scaled so that it is about x^2/reach^2 near 0)."""
    scaled = squared / reach**2
    return scaled / (1 + 0.25 * scaled)

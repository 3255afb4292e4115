"""Adam over the whole clip, starting from inverse kinematics."""

import math

import numpy as np
import torch

from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.landmark_fit.prior import FREE_JOINTS, PosePrior
from annotators.landmark_fit.solver.energy import FitTargets, Pose, compute_energy
from humove.motion.rotations import matrix_to_axis_angle

_STEP, _LAST_STEP = 0.03, 0.003
"""Adam's learning rate (radians, metres) at the start and at the end."""


def make_start_pose(rotmats: np.ndarray, transl: np.ndarray) -> Pose:
    """Make the unknowns from local rotations (N, 24, 3, 3) and translation (N, 3)."""
    turns = torch.from_numpy(np.ascontiguousarray(rotmats, dtype=np.float32))
    return Pose(
        root_start=turns[:, 0].contiguous(),
        root=torch.zeros(len(turns), 3),
        body=matrix_to_axis_angle(turns[:, list(FREE_JOINTS)]).contiguous(),
        transl=torch.from_numpy(np.ascontiguousarray(transl, dtype=np.float32)),
    )


def minimise_energy(start: Pose, targets: FitTargets, prior: PosePrior, config: LandmarkFitConfig) -> Pose:
    """Minimise the energy from `start`; deterministic on one thread."""
    unknowns = [x.detach().clone().requires_grad_(True) for x in (start.root, start.body, start.transl)]
    pose = Pose(root_start=start.root_start, root=unknowns[0], body=unknowns[1], transl=unknowns[2])
    adam = torch.optim.Adam(unknowns, lr=_STEP, betas=(0.9, 0.98), foreach=False)
    for step in range(config.iterations):
        share = step / max(config.iterations - 1, 1)
        rate = _LAST_STEP + (_STEP - _LAST_STEP) * 0.5 * (1 + math.cos(math.pi * share))
        adam.param_groups[0]["lr"] = rate
        adam.zero_grad(set_to_none=True)
        compute_energy(pose, targets, prior, config).backward()
        adam.step()
    root, body, transl = (x.detach() for x in unknowns)
    return Pose(root_start=start.root_start, root=root, body=body, transl=transl)

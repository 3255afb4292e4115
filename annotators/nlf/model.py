"""NLF's output, in metres."""

from dataclasses import dataclass

import numpy as np
import torch

from annotators.network import Network
from humove.errors import UserError
from humove.motion.body import compute_world_transforms
from humove.motion.rotations import axis_angle_to_matrix
from humove.motion.skeletons import SMPL_PARENTS

_MM = 1000.0
_PELVIS_REACH_M = 0.6
"""Largest distance of SMPL's pelvis from its origin for any betas; 0.23 m for the mean body."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class NlfFrames:
    """NLF's output for one person on N frames, camera frame, metres. Rows that it could not fit hold NaN."""

    pose: np.ndarray
    """(N, 24, 3) axis-angle, the root first."""
    betas: np.ndarray
    """(N, 10)."""
    transl: np.ndarray
    """(N, 3) m."""
    joints: np.ndarray
    """(N, 24, 3) m."""
    rest_joints: np.ndarray
    """(N, 24, 3) m: the joints of that row's body in T-pose."""
    uncertainty: np.ndarray
    """(N,) m: the mean over the joints of NLF's expected error."""


class NlfModel:
    """The steps before and after the network: its output in metres, with the body's joints at rest."""

    def __init__(self, network: Network) -> None:
        """`network` is a loaded NlfNetwork, or a client of one."""
        self._network = network

    def __call__(self, images: np.ndarray, boxes_xyxy: np.ndarray, intrinsics: np.ndarray) -> NlfFrames:
        """Run on one person per frame. images: (N, H, W, 3) uint8 RGB; boxes_xyxy: (N, 4) px; intrinsics: (3, 3) px."""
        cameras = np.repeat(intrinsics[None], len(images), axis=0)
        pose, betas, transl, joints, unsure = self._network.run((images, boxes_xyxy, cameras))
        joints = joints / _MM
        return NlfFrames(
            pose=pose,
            betas=betas,
            transl=check_translations(transl, joints),
            joints=joints,
            rest_joints=compute_rest_joints(pose, joints, transl),
            uncertainty=(unsure / _MM).mean(1),
        )


def check_translations(transl: np.ndarray, joints: np.ndarray) -> np.ndarray:
    """Check translations (N, 3) m. Releases before 0.2.2 gave them relative to the body's own centre, which would put
    everyone at the lens: UserError."""
    pelvis = np.linalg.norm(joints[:, 0] - transl, axis=1)
    known = pelvis[np.isfinite(pelvis)]
    if len(known) and np.median(known) > _PELVIS_REACH_M:
        raise UserError(
            f"motion.nlf.weights: the file puts the pelvis {np.median(known):.1f} m from the body's origin: "
            "its translations are not in metres of the camera's frame; name a release from 0.2.2 on"
        )
    return transl


def compute_rest_joints(pose: np.ndarray, joints: np.ndarray, transl: np.ndarray) -> np.ndarray:
    """Compute the joints (N, 24, 3) m in T-pose that, posed, give the frame's joints.

    NLF's joints are those of a fitted SMPL body, so each bone rotated back by its parent's rotation is that at rest.
    """
    turns = axis_angle_to_matrix(torch.from_numpy(np.nan_to_num(pose)))
    world, _ = compute_world_transforms(
        torch.zeros(24, 3, dtype=turns.dtype), turns, torch.zeros(len(pose), 3).double()
    )
    rest = np.empty_like(joints)
    rest[:, 0] = joints[:, 0] - transl
    for joint, parent in enumerate(SMPL_PARENTS):
        if parent >= 0:
            bone = joints[:, joint] - joints[:, parent]
            rest[:, joint] = rest[:, parent] + np.einsum("nji,nj->ni", world[:, parent].numpy(), bone)
    return rest

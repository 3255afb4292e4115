"""Mirrored frames: frames and boxes mirrored, outputs mirrored back and averaged with the plain ones."""

from dataclasses import replace

import numpy as np
import roma
import torch

from annotators.nlf.model import NlfFrames
from humove.motion.rotations import quaternion_to_axis_angle
from humove.motion.skeletons import SMPL_JOINTS, find_mirror_indices

_SWAP = np.array(find_mirror_indices(SMPL_JOINTS))
_ROTATION = np.array([1.0, -1.0, -1.0])
"""Effect of mirroring x on an axis-angle vector: rotations about x stay, those about y and z change sign."""
_POINT = np.array([-1.0, 1.0, 1.0])


def mirror_view(
    images: np.ndarray, boxes_xyxy: np.ndarray, intrinsics: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Mirror images (N, H, W, 3), boxes (N, 4) px and the camera (3, 3) px from left to right."""
    width = images.shape[2]
    boxes = np.stack([width - boxes_xyxy[:, 2], boxes_xyxy[:, 1], width - boxes_xyxy[:, 0], boxes_xyxy[:, 3]], 1)
    camera = intrinsics.copy()
    camera[0, 2] = width - intrinsics[0, 2]
    return images[:, :, ::-1], boxes, camera


def mirror_back(output: NlfFrames) -> NlfFrames:
    """Mirror the output of a mirrored frame back: left and right exchanged, x with the opposite sign.

    The SMPL body is assumed to be symmetric, which holds to a few millimetres; betas are unchanged.
    """
    return replace(
        output,
        pose=output.pose[:, _SWAP] * _ROTATION,
        transl=output.transl * _POINT,
        joints=output.joints[:, _SWAP] * _POINT,
        rest_joints=output.rest_joints[:, _SWAP] * _POINT,
    )


def fuse_frames(a: NlfFrames, b: NlfFrames) -> NlfFrames:
    """Average both, rotations halfway along the arc between them. Uncertainty grows where they disagree."""
    apart = np.linalg.norm((a.joints - a.joints[:, :1]) - (b.joints - b.joints[:, :1]), axis=-1).mean(1)
    return NlfFrames(
        pose=_average_rotations(a.pose, b.pose),
        betas=(a.betas + b.betas) / 2,
        transl=(a.transl + b.transl) / 2,
        joints=(a.joints + b.joints) / 2,
        rest_joints=(a.rest_joints + b.rest_joints) / 2,
        uncertainty=np.hypot((a.uncertainty + b.uncertainty) / 2, apart / 2),
    )


def _average_rotations(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    quats = [roma.rotvec_to_unitquat(torch.from_numpy(x)) for x in (a, b)]
    sign = torch.where((quats[0] * quats[1]).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    middle = quats[0] + sign * quats[1]
    return quaternion_to_axis_angle(middle / middle.norm(dim=-1, keepdim=True)).numpy()

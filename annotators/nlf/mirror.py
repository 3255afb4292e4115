"""The same person seen in the mirror: pictures and boxes mirrored, answers mirrored back, the two put together."""

from dataclasses import replace

import numpy as np
import roma
import torch

from annotators.nlf.model import NlfFrames
from humove.rotations import quaternion_to_axis_angle
from humove.skeletons import SMPL_JOINTS, mirrored

_SWAP = np.array(mirrored(SMPL_JOINTS))
_ROTATION = np.array([1.0, -1.0, -1.0])
"""What mirroring x does to an axis-angle vector: rotations about x stay, those about y and z turn around."""
_POINT = np.array([-1.0, 1.0, 1.0])


def mirrored_view(
    images: np.ndarray, boxes_xyxy: np.ndarray, intrinsics: np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """images (N, H, W, 3), boxes (N, 4) px and the camera (3, 3) px, mirrored from left to right."""
    width = images.shape[2]
    boxes = np.stack([width - boxes_xyxy[:, 2], boxes_xyxy[:, 1], width - boxes_xyxy[:, 0], boxes_xyxy[:, 3]], 1)
    camera = intrinsics.copy()
    camera[0, 2] = width - intrinsics[0, 2]
    return images[:, :, ::-1], boxes, camera


def mirrored_back(seen: NlfFrames) -> NlfFrames:
    """What the mirrored picture says of the person, as it is: left and right exchanged, x turned around.

    The SMPL body is taken to be its own mirror image, which holds to a few millimetres; betas stay as they are.
    """
    return replace(
        seen,
        pose=seen.pose[:, _SWAP] * _ROTATION,
        transl=seen.transl * _POINT,
        joints=seen.joints[:, _SWAP] * _POINT,
        rest_joints=seen.rest_joints[:, _SWAP] * _POINT,
    )


def fused(a: NlfFrames, b: NlfFrames) -> NlfFrames:
    """The mean of both: of rotations halfway along the arc between them. Where they disagree uncertainty grows."""
    apart = np.linalg.norm((a.joints - a.joints[:, :1]) - (b.joints - b.joints[:, :1]), axis=-1).mean(1)
    return NlfFrames(
        pose=_halfway(a.pose, b.pose),
        betas=(a.betas + b.betas) / 2,
        transl=(a.transl + b.transl) / 2,
        joints=(a.joints + b.joints) / 2,
        rest_joints=(a.rest_joints + b.rest_joints) / 2,
        uncertainty=np.hypot((a.uncertainty + b.uncertainty) / 2, apart / 2),
    )


def _halfway(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    quats = [roma.rotvec_to_unitquat(torch.from_numpy(x)) for x in (a, b)]
    sign = torch.where((quats[0] * quats[1]).sum(-1, keepdim=True) < 0, -1.0, 1.0)
    middle = quats[0] + sign * quats[1]
    return quaternion_to_axis_angle(middle / middle.norm(dim=-1, keepdim=True)).numpy()

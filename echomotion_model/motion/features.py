"""SMPL motion to features and back. Resampling in time is in echomotion_model/data/motion.py.

Shape suffixes: T frames, F the 235 features of a frame, ... any leading shape (a batch, or nothing).

SMPL's 24 rotations theta and the global orientation gamma overlap: theta_0, the root's, *is* gamma. Here theta_0 is
stored as a duplicate of gamma, and decoding reads both: their mean halves the variance of two separate guesses.
"""

from dataclasses import dataclass

import numpy as np
import torch

from echomotion_model.motion.layout import SPLIT
from humove.motion.body import Body, compute_world_transforms, forward_kinematics, sum_bone_lengths
from humove.motion.rotations import axis_angle_to_matrix, matrix_to_6d, matrix_to_axis_angle, sixd_to_matrix
from humove.motion.skeletons import SMPL_PARENTS
from humove.types import SmplMotion

PROXY = "proxy"
"""The shape_source of motion whose betas are not a true shape."""
_FLAG = 8.0
"""The value of the last beta if the first is a stand-in body's size. Betas have unit variance: half of this value, the
threshold when reading, is four deviations away from them."""
_PROXY_SPREAD, _BODY_SPREAD = 0.005, 0.03
"""Deviation of a bone's end from that of the stand-in body of the same size, m: in bodies fitted to landmarks, whose
limbs differ by a few per cent, and in people."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class DecodedMotion:
    """Motion decoded from features; float32, metres, radians, the camera's frame."""

    global_orient: torch.Tensor
    """(..., T, 3) axis-angle"""
    body_pose: torch.Tensor
    """(..., T, 23, 3) axis-angle"""
    transl: torch.Tensor
    """(..., T, 3)"""
    joints: torch.Tensor
    """(..., T, 24, 3): forward kinematics of the rotations on `rest_joints`, as in motion.npz."""
    predicted_joints: torch.Tensor
    """(..., T, 24, 3): the joints of the position tokens, which need not preserve bone lengths."""
    rest_joints: torch.Tensor
    """(..., 24, 3)"""
    betas: torch.Tensor
    """(..., 10): zeros if the shape is a stand-in's."""
    proxy: torch.Tensor
    """(...) bool: the shape token holds a stand-in body's size."""


def encode_features(
    *,
    global_orient: torch.Tensor,
    body_pose: torch.Tensor,
    transl: torch.Tensor,
    joints: torch.Tensor,
    betas: torch.Tensor,
    rest_joints: torch.Tensor,
    proxy: torch.Tensor,
) -> torch.Tensor:
    """Encode motion in the shapes of DecodedMotion as (..., T, 235) float32; `proxy` (...) bool: betas are not a true
    shape. ValueError if true betas could be mistaken for a stand-in's.
    """
    pose = torch.cat([global_orient[..., None, :], body_pose, global_orient[..., None, :]], -2)
    sixd = matrix_to_6d(axis_angle_to_matrix(pose.double()))
    shape = _build_shape_token(betas, rest_joints, proxy)[..., None, :].expand(*transl.shape[:-1], -1)
    position = torch.cat([transl[..., None, :], joints], -2)
    return torch.cat([position.flatten(-2).double(), sixd.flatten(-2), shape.double()], -1).float()


def encode_motion(motion: SmplMotion, shape_source: str) -> torch.Tensor:
    """Encode a clip's motion as (T, 235) float32; `shape_source` as in the body_model of its .json."""
    names = ("global_orient", "body_pose", "transl", "joints", "betas", "rest_joints")
    arrays = {name: torch.from_numpy(getattr(motion, name)) for name in names}
    return encode_features(**arrays, proxy=torch.tensor(shape_source == PROXY))


def decode_features(features_TF: torch.Tensor, rest_joints: torch.Tensor | None = None) -> DecodedMotion:
    """Decode (..., T, 235) features. They may be inexact: rotations are made orthonormal.

    `rest_joints` (..., 24, 3) m: the person's own body at rest, if known. Otherwise it is the stand-in body at the
    predicted size, moved towards the bones between the predicted joints as far as these agree over the frames: exact
    features give the body from which they were encoded.
    """
    position, rotation, shape = features_TF.double().split(SPLIT, -1)
    position, sixd = position.unflatten(-1, (25, 3)), rotation.unflatten(-1, (25, 6))
    transl, predicted = position[..., 0, :], position[..., 1:, :]
    shape = shape.mean(-2)
    proxy = shape[..., -1] > _FLAG / 2
    # theta_0 and gamma are two copies of one rotation: summed, Gram-Schmidt gives their mean.
    root = sixd[..., :1, :] + sixd[..., -1:, :]
    rotmats = sixd_to_matrix(torch.cat([root, sixd[..., 1:-1, :]], -2))
    pose = matrix_to_axis_angle(rotmats)
    if rest_joints is None:
        rest = _estimate_rest_joints(rotmats, predicted, transl, torch.where(proxy, shape[..., 0], torch.nan))
    else:
        rest = rest_joints.to(pose)
    joints = forward_kinematics(rest[..., None, :, :].expand_as(predicted), rotmats, transl)
    return DecodedMotion(
        global_orient=pose[..., 0, :].float(),
        body_pose=pose[..., 1:, :].float(),
        transl=transl.float(),
        joints=joints.float(),
        predicted_joints=predicted.float(),
        rest_joints=rest.float(),
        betas=torch.where(proxy[..., None], torch.zeros_like(shape), shape).float(),
        proxy=proxy,
    )


def decode_motion(
    features_TF: torch.Tensor, cam_intrinsics: np.ndarray, rest_joints: torch.Tensor | None = None
) -> SmplMotion:
    """Decode the motion of one clip, (T, 235) features, to the form of motion.npz; see decode_features.

    cam_intrinsics: (3, 3) px of the motion's video. Every row is marked valid.
    """
    decoded = decode_features(features_TF.cpu(), rest_joints)
    pose = {name: getattr(decoded, name).numpy() for name in ("global_orient", "body_pose", "transl")}
    frames = len(decoded.transl)
    return SmplMotion(
        betas=decoded.betas.numpy(),
        rest_joints=decoded.rest_joints.numpy(),
        joints=decoded.joints.numpy(),
        cam_intrinsics=np.asarray(cam_intrinsics, dtype=np.float32),
        confidence=np.ones(frames, dtype=np.float32),
        valid=np.ones(frames, dtype=bool),
        source_frames=np.arange(frames),
        **pose,
        **{f"raw_{name}": array.copy() for name, array in pose.items()},
    )


def _build_shape_token(betas: torch.Tensor, rest_joints: torch.Tensor, proxy: torch.Tensor) -> torch.Tensor:
    """Return (..., 10): betas, or the stand-in body's size as the first value and the flag as the last."""
    if bool(((betas[..., -1] > _FLAG / 2) & ~proxy).any()):
        raise ValueError(f"a last beta above {_FLAG / 2:g} marks a stand-in body: no true shape has one")
    stand_in = torch.zeros_like(betas)
    bones = rest_joints[..., 1:, :] - rest_joints[..., list(SMPL_PARENTS[1:]), :]
    stand_in[..., 0] = bones.norm(dim=-1).sum(-1) / sum_bone_lengths(Body.load().rest_joints)
    stand_in[..., -1] = _FLAG
    return torch.where(proxy[..., None], stand_in, betas)


def _estimate_rest_joints(
    rotmats: torch.Tensor, joints: torch.Tensor, transl: torch.Tensor, size: torch.Tensor
) -> torch.Tensor:
    """Return (..., 24, 3) m: the joints at rest. `size` (...) of the stand-in body; NaN for another body.

    The predicted bones, rotated back to the rest pose, are the same on every frame except for the model's errors. Their
    variance over the frames, relative to that of bodies about the stand-in, determines the weight of their mean.
    """
    turns, _ = compute_world_transforms(torch.zeros_like(joints), rotmats, transl)
    parents = list(SMPL_PARENTS[1:])
    bones = torch.cat([joints[..., :1, :] - transl[..., None, :], joints[..., 1:, :] - joints[..., parents, :]], -2)
    identity = torch.eye(3, dtype=turns.dtype, device=turns.device).expand_as(turns[..., :1, :, :])
    inverse = torch.cat([identity, turns[..., parents, :, :].transpose(-1, -2)], -3)
    rest_bones = (inverse @ bones[..., None])[..., 0]
    mean = rest_bones.mean(-3)
    stand_in = torch.as_tensor(Body.load().rest_joints, dtype=mean.dtype, device=mean.device)
    stand_in_bones = torch.cat([stand_in[:1], stand_in[1:] - stand_in[parents]])
    measured = mean[..., 1:, :].norm(dim=-1).sum(-1) / sum_bone_lengths(stand_in.cpu().numpy())
    known = size.isfinite()
    expected = torch.where(known, size, measured)[..., None, None] * stand_in_bones
    spread = torch.where(known, _PROXY_SPREAD, _BODY_SPREAD).to(mean)[..., None, None] ** 2
    noise = rest_bones.var(-3, correction=0).mean(-1, keepdim=True)
    bone = expected + spread / (spread + noise) * (mean - expected)
    rest = [bone[..., 0, :]]
    for joint, parent in enumerate(parents, start=1):
        rest.append(rest[parent] + bone[..., joint, :])
    return torch.stack(rest, -2)

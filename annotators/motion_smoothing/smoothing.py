"""The one way from a model's frames to SmplMotion's arrays."""

from dataclasses import dataclass

import numpy as np

from annotators.motion_smoothing.config import SmoothingConfig
from annotators.motion_smoothing.gaps import filled, filled_rotations
from annotators.motion_smoothing.local import LocalFit
from annotators.motion_smoothing.raw import RawMotion
from annotators.motion_smoothing.shape import one_shape, relative_size
from humove.body import joints_of_pose
from humove.types import SmplMotion

_FILLED_WEIGHT = 0.02
"""What a row filled in counts against one that was seen: it gives way to its neighbours, but never leaves a hole."""
_LEAST_WEIGHT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Smoothed:
    """SmplMotion's arrays, all but the camera and the source frames. float32, `valid` bool."""

    betas: np.ndarray
    rest_joints: np.ndarray
    global_orient: np.ndarray
    body_pose: np.ndarray
    transl: np.ndarray
    joints: np.ndarray
    confidence: np.ndarray
    valid: np.ndarray
    raw_global_orient: np.ndarray
    raw_body_pose: np.ndarray
    raw_transl: np.ndarray

    def motion(self, cam_intrinsics: np.ndarray, source_frames: np.ndarray) -> SmplMotion:
        """With the camera (3, 3) px and the source frame (N,) of each row."""
        return SmplMotion(
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            cam_intrinsics=np.asarray(cam_intrinsics, dtype=np.float32),
            source_frames=np.asarray(source_frames, dtype=np.int64),
        )


def smoothed(raw: RawMotion, valid: np.ndarray, fps: float, config: SmoothingConfig) -> Smoothed:
    """One body through the whole clip.

    `valid` (N,) bool says which rows show the person; the others are interpolated (rotations along the shortest arc,
    held at the ends) and get a confidence of 0. The body's shape is one robust mean over the clip, and the pelvis is
    moved along its viewing ray by the same factor as the body's size, so that the body still covers the same pixels.
    Rotations are smoothed on SO(3) and the pelvis in space, by local fits that follow the trend and let single frames
    that leap out go. The raw arrays are those before this, on the same one body, with the same rows filled.

    Errors: ValueError where no row is valid or a valid row is not finite.
    """
    valid = _checked(raw, valid)
    confidence = np.where(valid, np.clip(np.nan_to_num(raw.confidence), 0, 1), 0.0)
    betas, rest_joints = one_shape(raw.betas, raw.rest_joints, valid, confidence)
    pelvis = np.where(valid[:, None], raw.transl + raw.rest_joints[:, 0], 0.0)
    pelvis = filled(pelvis * relative_size(rest_joints, raw.rest_joints, valid)[:, None], valid)
    turns = np.concatenate([raw.global_orient[:, None], raw.body_pose], 1).astype(np.float32)
    turns = filled_rotations(np.where(valid[:, None, None], turns, np.float32(0)), valid)

    weights = np.where(valid, np.maximum(confidence, _LEAST_WEIGHT), _FILLED_WEIGHT)
    fit = LocalFit(width=config.width_s * fps, weights=weights)
    still_turns, still_pelvis = fit.rotations(turns), fit.vectors(pelvis)
    pelvis, still_pelvis = pelvis.astype(np.float32), still_pelvis.astype(np.float32)
    transl = still_pelvis - rest_joints[0]
    return Smoothed(
        betas=betas,
        rest_joints=rest_joints,
        global_orient=still_turns[:, 0],
        body_pose=still_turns[:, 1:],
        transl=transl,
        joints=joints_of_pose(rest_joints, still_turns[:, 0], still_turns[:, 1:], transl),
        confidence=confidence.astype(np.float32),
        valid=valid,
        raw_global_orient=turns[:, 0],
        raw_body_pose=turns[:, 1:],
        raw_transl=pelvis - rest_joints[0],
    )


def _checked(raw: RawMotion, valid: np.ndarray) -> np.ndarray:
    valid = np.asarray(valid, dtype=bool)
    if valid.shape != (len(raw.betas),) or not valid.any():
        raise ValueError(
            f"valid of shape {valid.shape}, {int(valid.sum())} true: wanted ({len(raw.betas)},), some true"
        )
    for name in ("betas", "rest_joints", "global_orient", "body_pose", "transl"):
        if not np.isfinite(getattr(raw, name)[valid]).all():
            raise ValueError(f"{name}: a valid row is not finite; mark such rows invalid")
    return valid

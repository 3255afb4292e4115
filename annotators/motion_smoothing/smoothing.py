"""Convert a model's per-frame output to SmplMotion's arrays."""

from dataclasses import dataclass

import numpy as np

from annotators.motion_smoothing.config import SmoothingConfig
from annotators.motion_smoothing.gaps import fill_gaps, fill_rotation_gaps
from annotators.motion_smoothing.local import LocalFit
from annotators.motion_smoothing.raw import RawMotion
from annotators.motion_smoothing.shape import average_shape, compute_relative_size
from humove.motion.body import compute_joints
from humove.types import SmplMotion

_FILLED_WEIGHT = 0.02
"""Weight of an interpolated row relative to an observed one: small, but it leaves no gap."""
_MIN_WEIGHT = 0.1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmoothedMotion:
    """SmplMotion's arrays without the camera and the source frames. float32, `valid` bool."""

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

    def to_motion(self, cam_intrinsics: np.ndarray, source_frames: np.ndarray) -> SmplMotion:
        """Make the motion with a camera (3, 3) px and the source frame (N,) of each row."""
        return SmplMotion(
            **{name: getattr(self, name) for name in self.__dataclass_fields__},
            cam_intrinsics=np.asarray(cam_intrinsics, dtype=np.float32),
            source_frames=np.asarray(source_frames, dtype=np.int64),
        )


def smooth_motion(raw: RawMotion, valid: np.ndarray, fps: float, config: SmoothingConfig) -> SmoothedMotion:
    """Smooth a motion, with one body for the whole clip.

    Rows that do not show the person (`valid` (N,) bool) are interpolated (rotations along the shortest arc, held at the
    ends) and get a confidence of 0. The body's shape is one robust mean over the clip, and the pelvis is moved along
    its viewing ray by the same factor as the body's size, so that the body still covers the same pixels. Rotations are
    smoothed on SO(3) and the pelvis in space, by local fits that follow the trend and ignore outliers. The raw arrays
    are those before smoothing, with the same body and the same rows filled.

    Errors: ValueError if no row is valid or a valid row is not finite.
    """
    valid = _check_rows(raw, valid)
    confidence = np.where(valid, np.clip(np.nan_to_num(raw.confidence), 0, 1), 0.0)
    betas, rest_joints = average_shape(raw.betas, raw.rest_joints, valid, confidence)
    pelvis = np.where(valid[:, None], raw.transl + raw.rest_joints[:, 0], 0.0)
    pelvis = fill_gaps(pelvis * compute_relative_size(rest_joints, raw.rest_joints, valid)[:, None], valid)
    turns = np.concatenate([raw.global_orient[:, None], raw.body_pose], 1).astype(np.float32)
    turns = fill_rotation_gaps(np.where(valid[:, None, None], turns, np.float32(0)), valid)

    weights = np.where(valid, np.maximum(confidence, _MIN_WEIGHT), _FILLED_WEIGHT)
    fit = LocalFit(width=config.width_s * fps, weights=weights)
    still_turns, still_pelvis = fit.smooth_rotations(turns), fit.smooth_vectors(pelvis)
    pelvis, still_pelvis = pelvis.astype(np.float32), still_pelvis.astype(np.float32)
    transl = still_pelvis - rest_joints[0]
    return SmoothedMotion(
        betas=betas,
        rest_joints=rest_joints,
        global_orient=still_turns[:, 0],
        body_pose=still_turns[:, 1:],
        transl=transl,
        joints=compute_joints(rest_joints, still_turns[:, 0], still_turns[:, 1:], transl),
        confidence=confidence.astype(np.float32),
        valid=valid,
        raw_global_orient=turns[:, 0],
        raw_body_pose=turns[:, 1:],
        raw_transl=pelvis - rest_joints[0],
    )


def _check_rows(raw: RawMotion, valid: np.ndarray) -> np.ndarray:
    valid = np.asarray(valid, dtype=bool)
    if valid.shape != (len(raw.betas),) or not valid.any():
        raise ValueError(
            f"valid of shape {valid.shape}, {int(valid.sum())} true: wanted ({len(raw.betas)},), some true"
        )
    for name in ("betas", "rest_joints", "global_orient", "body_pose", "transl"):
        if not np.isfinite(getattr(raw, name)[valid]).all():
            raise ValueError(f"{name}: a valid row is not finite; mark such rows invalid")
    return valid

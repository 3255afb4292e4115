"""A window of motion at the model's rate, as motion.npz stores it."""

import numpy as np

from echomotion_model.data.motion import motion_at
from echomotion_model.data.window import nearest_frames
from humove.rotations import resample_linear, resample_rotations
from humove.types import SmplMotion


def motion_window(motion: SmplMotion, instants: np.ndarray, cam_intrinsics: np.ndarray) -> SmplMotion:
    """The motion at (T,) instants in its frames, before a camera (3, 3) px; source_frames are the nearest ones'."""
    times = np.arange(len(motion.transl))
    moved = motion_at(motion, instants)
    return SmplMotion(
        betas=motion.betas,
        rest_joints=motion.rest_joints,
        global_orient=moved.global_orient,
        body_pose=moved.body_pose,
        transl=moved.transl,
        joints=moved.joints,
        cam_intrinsics=cam_intrinsics.astype(np.float32),
        confidence=moved.confidence,
        valid=moved.valid,
        source_frames=motion.source_frames[nearest_frames(instants)],
        raw_global_orient=resample_rotations(motion.raw_global_orient, times, instants),
        raw_body_pose=resample_rotations(motion.raw_body_pose, times, instants),
        raw_transl=resample_linear(motion.raw_transl, times, instants),
    )


def window_from_start(frames: int, fps: float, target_fps: int) -> np.ndarray:
    """(frames,) float64: instants of a window that begins with a recording at `fps`, in its frames."""
    return np.arange(frames) * (fps / target_fps)

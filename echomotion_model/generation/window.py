"""Windows of motion at the model's rate, in the form of motion.npz."""

import numpy as np

from echomotion_model.data.motion import resample_motion
from echomotion_model.data.window import find_nearest_frames
from humove.motion.rotations import resample_linear, resample_rotations
from humove.types import SmplMotion


def cut_motion_window(motion: SmplMotion, instants: np.ndarray, cam_intrinsics: np.ndarray) -> SmplMotion:
    """Resample motion at (T,) instants, in frames, with a camera (3, 3) px; source_frames are those of the nearest."""
    times = np.arange(len(motion.transl))
    moved = resample_motion(motion, instants)
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
        source_frames=motion.source_frames[find_nearest_frames(instants)],
        raw_global_orient=resample_rotations(motion.raw_global_orient, times, instants),
        raw_body_pose=resample_rotations(motion.raw_body_pose, times, instants),
        raw_transl=resample_linear(motion.raw_transl, times, instants),
    )


def compute_window_instants(frames: int, fps: float, target_fps: int) -> np.ndarray:
    """Return (frames,) float64: the instants of a window at the start of a recording at `fps`, in its frames."""
    return np.arange(frames) * (fps / target_fps)

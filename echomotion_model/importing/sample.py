"""Conversion of a piece of motion to a sample: resampled, with a camera."""

import numpy as np

from echomotion_model.importing.camera import film_motion
from echomotion_model.importing.motion import SourceMotion
from humove.motion.body import compute_joints
from humove.types import SmplMotion
from shards.motion_only.schemas import MotionOnlyMeta, MotionOnlySample, MotionSource
from shards.schemas import Rights


def build_sample(
    motion: SourceMotion,
    *,
    key: str,
    split: str,
    kind: str,
    file: str,
    name: str,
    captions: tuple[str, ...],
    rights: Rights,
    max_fps: int,
) -> MotionOnlySample:
    """Build the sample of a cut motion, without smoothing: the raw arrays equal the others, and all rows are valid."""
    start, end = int(motion.source_frames[0]), int(motion.source_frames[-1]) + 1
    source = MotionSource(
        kind=kind, file=file, name=name, start_frame=start, end_frame=end, fps=float(motion.fps), frame=motion.frame
    )
    motion = motion.limit_fps(max_fps)
    filmed = film_motion(motion, key)
    pose = motion.body_pose.astype(np.float32)
    return MotionOnlySample(
        motion=SmplMotion(
            betas=motion.betas,
            rest_joints=motion.rest_joints.astype(np.float32),
            global_orient=filmed.global_orient,
            body_pose=pose,
            transl=filmed.transl,
            joints=compute_joints(motion.rest_joints, filmed.global_orient, pose, filmed.transl),
            cam_intrinsics=filmed.intrinsics,
            confidence=np.ones(len(motion), np.float32),
            valid=np.ones(len(motion), bool),
            source_frames=motion.source_frames.astype(np.int64),
            raw_global_orient=filmed.global_orient,
            raw_body_pose=pose,
            raw_transl=filmed.transl,
        ),
        meta=MotionOnlyMeta(
            key=key,
            split=split,
            num_frames=len(motion),
            fps=f"{motion.fps.numerator}/{motion.fps.denominator}",
            frame="camera",
            captions=captions,
            source=source,
            camera=filmed.record,
            body_model=motion.body,
            rights=rights,
        ),
    )

"""One piece of a motion as a sample: cut, resampled, put before its camera."""

import numpy as np

from echomotion_model.importing.camera import film
from echomotion_model.importing.motion import SourceMotion
from humove.body import joints_of_pose
from humove.types import SmplMotion
from shards.documents import Rights
from shards.motion_only_documents import MotionOnlyMeta, MotionOnlySample, MotionSource


def sample_of(
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
    """The sample of a cut motion. Nothing is smoothed: the raw arrays are the same as the others; all rows are sure."""
    start, end = int(motion.source_frames[0]), int(motion.source_frames[-1]) + 1
    source = MotionSource(
        kind=kind, file=file, name=name, start_frame=start, end_frame=end, fps=float(motion.fps), frame=motion.frame
    )
    motion = motion.at_most(max_fps)
    seen = film(motion, key)
    pose = motion.body_pose.astype(np.float32)
    return MotionOnlySample(
        motion=SmplMotion(
            betas=motion.betas,
            rest_joints=motion.rest_joints.astype(np.float32),
            global_orient=seen.global_orient,
            body_pose=pose,
            transl=seen.transl,
            joints=joints_of_pose(motion.rest_joints, seen.global_orient, pose, seen.transl),
            cam_intrinsics=seen.intrinsics,
            confidence=np.ones(len(motion), np.float32),
            valid=np.ones(len(motion), bool),
            source_frames=motion.source_frames.astype(np.int64),
            raw_global_orient=seen.global_orient,
            raw_body_pose=pose,
            raw_transl=seen.transl,
        ),
        meta=MotionOnlyMeta(
            key=key,
            split=split,
            num_frames=len(motion),
            fps=f"{motion.fps.numerator}/{motion.fps.denominator}",
            frame="camera",
            captions=captions,
            source=source,
            camera=seen.record,
            body_model=motion.body,
            rights=rights,
        ),
    )

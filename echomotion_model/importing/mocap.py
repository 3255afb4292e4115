"""BVH motion capture, retargeted to the open body, in a world with y up."""

from pathlib import Path

import numpy as np

from echomotion_model.importing.bodies import make_open_rest_body
from echomotion_model.importing.motion import SourceMotion, check_arrays, parse_rate
from echomotion_model.importing.reasons import BadMotion, SkipReason
from humove.errors import UserError
from humove.motion.body import Body
from humove.motion.bvh import read_bvh
from humove.motion.retarget import retarget_bvh


def read_mocap(path: Path) -> SourceMotion:
    """Read a BVH file, retargeted, with the feet on y = 0. BadMotion if it is damaged or not of a person."""
    try:
        bvh = read_bvh(path)
    except UserError as error:
        raise BadMotion(SkipReason.UNREADABLE, str(error).removeprefix(f"{path}: ")) from error
    fps = parse_rate(bvh.fps)
    check_arrays(rotations=bvh.rotations)
    try:
        with np.errstate(all="ignore"):  # overflows are found below
            motion = retarget_bvh(bvh, Body.load(), source=path.name)
    except (UserError, ValueError) as error:
        raise BadMotion(SkipReason.UNKNOWN_SKELETON, str(error).removeprefix(f"{path.name}: ")) from error
    check_arrays(
        transl=motion.transl, pose=motion.body_pose, orient=motion.global_orient, joints=motion.body.rest_joints
    )
    body = make_open_rest_body(motion.body)
    return SourceMotion(
        global_orient=motion.global_orient,
        body_pose=motion.body_pose,
        transl=motion.transl,
        rest_joints=body.rest_joints,
        betas=body.betas,
        source_frames=np.arange(len(motion)),
        fps=fps,
        frame="world_y_up",
        body=body.record,
    )

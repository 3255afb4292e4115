"""BVH motion capture, put on the open body, in a world with y up."""

from pathlib import Path

import numpy as np

from echomotion_model.importing.bodies import open_body
from echomotion_model.importing.motion import SourceMotion, checked, checked_rate
from echomotion_model.importing.reasons import BadMotion, LeftOut
from humove.body import Body
from humove.bvh import read_bvh
from humove.errors import UserError
from humove.retarget import retarget


def read_mocap(path: Path) -> SourceMotion:
    """The motion of a BVH file, retargeted; its feet stand on y = 0. BadMotion where it is broken or of no person."""
    try:
        bvh = read_bvh(path)
    except UserError as error:
        raise BadMotion(LeftOut.UNREADABLE, str(error).removeprefix(f"{path}: ")) from error
    fps = checked_rate(bvh.fps)
    checked(rotations=bvh.rotations)
    try:
        with np.errstate(all="ignore"):  # what overflows is found below
            motion = retarget(bvh, Body.load(), source=path.name)
    except (UserError, ValueError) as error:
        raise BadMotion(LeftOut.UNKNOWN_SKELETON, str(error).removeprefix(f"{path.name}: ")) from error
    checked(transl=motion.transl, pose=motion.body_pose, orient=motion.global_orient, joints=motion.body.rest_joints)
    body = open_body(motion.body)
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

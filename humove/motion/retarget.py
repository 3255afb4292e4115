"""Retargeting of motion capture to the open body: the same bone directions as SMPL parameters."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from humove.errors import UserError
from humove.motion.body import Body, compute_joints
from humove.motion.bvh import Bvh
from humove.motion.rotations import matrix_to_axis_angle
from humove.motion.skeletons import SMPL_JOINTS, SMPL_PARENTS

# SMPL's joint: its names in the CMU, 21-joint, DAZ and Mixamo skeletons, the best first.
_NAMES = {
    "pelvis": ("hips", "hip"),
    "left_hip": ("leftupleg", "lthigh", "lefthip"),
    "right_hip": ("rightupleg", "rthigh", "righthip"),
    "spine1": ("lowerback", "abdomen", "spine"),
    "spine2": ("spine", "spine1", "chest"),
    "spine3": ("spine2", "spine1", "chest2"),
    "left_knee": ("leftleg", "lshin", "leftknee"),
    "right_knee": ("rightleg", "rshin", "rightknee"),
    "left_ankle": ("leftfoot", "lfoot", "leftankle"),
    "right_ankle": ("rightfoot", "rfoot", "rightankle"),
    "left_foot": ("lefttoebase", "lefttoe"),
    "right_foot": ("righttoebase", "righttoe"),
    "neck": ("lowerneck", "neck", "neck1"),
    "head": ("head",),
    "left_collar": ("leftcollar", "lcollar", "leftshoulder"),
    "right_collar": ("rightcollar", "rcollar", "rightshoulder"),
    "left_shoulder": ("leftarm", "lshldr", "leftshoulder"),
    "right_shoulder": ("rightarm", "rshldr", "rightshoulder"),
    "left_elbow": ("leftforearm", "lforearm", "leftelbow"),
    "right_elbow": ("rightforearm", "rforearm", "rightelbow"),
    "left_wrist": ("lefthand", "leftwrist", "lhand"),
    "right_wrist": ("righthand", "rightwrist", "rhand"),
}
_NEEDED = ("pelvis", "hip", "knee", "ankle", "shoulder", "elbow", "wrist")
# The bones whose rest directions differ between skeletons, as (joint, its child): they are aligned.
_ALIGNED = tuple((f"{side}_{a}", f"{side}_{b}") for side in ("left", "right") for a, b in (
    ("hip", "knee"), ("knee", "ankle"), ("ankle", "foot"), ("shoulder", "elbow"), ("elbow", "wrist"),
))  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class WorldMotion:
    """SMPL parameters over N frames in a world with y up and the floor at y = 0."""

    body: Body
    """Already scaled: rest_joints are `body.rest_joints`."""
    global_orient: np.ndarray
    """(N, 3) float32 axis-angle."""
    body_pose: np.ndarray
    """(N, 23, 3) float32 axis-angle."""
    transl: np.ndarray
    """(N, 3) float32 m."""
    fps: float

    def __len__(self) -> int:
        return len(self.transl)

    def compute_joints(self) -> np.ndarray:
        """Compute joints (N, 24, 3) float32 m."""
        return compute_joints(self.body.rest_joints, self.global_orient, self.body_pose, self.transl)


def retarget_bvh(
    bvh: Bvh, body: Body, *, unit_m: float | None = None, source: str | Path = "the BVH file"
) -> WorldMotion:
    """Retarget a BVH's motion to `body`, scaled to the performer's leg length and placed on the floor.

    Bone directions of legs and arms are the file's exactly; the trunk takes the file's rotations; hands and joints
    that the file lacks keep their rest pose. The rest pose may be a T-pose or one with hanging arms, y up, facing +z.
    `unit_m` is metres per unit, guessed if None. UserError if the skeleton's joint names are unknown.
    """
    at = _map_joints(bvh, source)
    unit = bvh.guess_unit() if unit_m is None else unit_m
    turns, places = bvh.compute_world_transforms()
    places = places * unit
    rest = bvh.compute_rest_positions() * unit

    body = body.scale(_measure_leg_length(rest, at) / _measure_leg_length(body.rest_joints, _map_own_joints()))
    align = {a: (a, b) for a, b in _ALIGNED}
    world = np.empty((len(places), 24, 3, 3))
    for j, name in enumerate(SMPL_JOINTS):
        if name not in at:
            world[:, j] = world[:, SMPL_PARENTS[j]]
            continue
        own_rest = np.eye(3)
        if name in align and align[name][1] in at:
            child = SMPL_JOINTS.index(align[name][1])
            ours = body.rest_joints[child] - body.rest_joints[j]
            theirs = rest[at[align[name][1]]] - rest[at[name]]
            own_rest = _compute_smallest_rotation(ours.astype(np.float64), theirs)
        world[:, j] = turns[:, at[name]] @ own_rest
    local = world.copy()
    for j in range(1, 24):
        local[:, j] = np.swapaxes(world[:, SMPL_PARENTS[j]], 1, 2) @ world[:, j]
    pose = matrix_to_axis_angle(torch.from_numpy(local)).numpy()

    # The root's position differs between files; both skeletons agree on the middle of the hips.
    hips = 0.5 * (places[:, at["left_hip"]] + places[:, at["right_hip"]])
    rest_joints = body.rest_joints.astype(np.float64)
    arm = 0.5 * (rest_joints[1] + rest_joints[2]) - rest_joints[0]
    transl = hips - world[:, 0] @ arm - rest_joints[0]
    motion = WorldMotion(
        body=body,
        global_orient=pose[:, 0].astype(np.float32),
        body_pose=pose[:, 1:].astype(np.float32),
        transl=transl.astype(np.float32),
        fps=bvh.fps,
    )
    return place_on_floor(motion)


def place_on_floor(motion: WorldMotion) -> WorldMotion:
    """Move a motion so that its lowest points (5th percentile over time) are at y = 0."""
    pose = np.concatenate([motion.global_orient[:, None], motion.body_pose], 1)
    lowest = np.concatenate(
        [
            motion.body.compute_vertices(pose[i : i + 64], motion.transl[i : i + 64])[..., 1].min(1)
            for i in range(0, len(pose), 64)
        ]
    )
    moved = motion.transl - np.array([0, np.percentile(lowest, 5), 0], dtype=np.float32)
    return WorldMotion(
        body=motion.body,
        global_orient=motion.global_orient,
        body_pose=motion.body_pose,
        transl=moved.astype(np.float32),
        fps=motion.fps,
    )


def _map_joints(bvh: Bvh, source: str | Path) -> dict[str, int]:
    """Map SMPL joint names to indices in the file; each of the file's joints is used once."""
    known = {name.split(":")[-1].replace("_", "").lower(): i for i, name in enumerate(bvh.names)}
    found: dict[str, int] = {}
    for joint, names in _NAMES.items():
        for name in names:
            if name in known and known[name] not in found.values():
                found[joint] = known[name]
                break
    missing = [j for j in _NAMES if j.split("_")[-1] in _NEEDED and j not in found]
    if missing:
        raise UserError(
            f"{source}: no joint for {', '.join(missing)} among {', '.join(bvh.names[:12])}...; "
            "name the joints as CMU, Mixamo or DAZ skeletons do"
        )
    return found


def _map_own_joints() -> dict[str, int]:
    return {name: i for i, name in enumerate(SMPL_JOINTS)}


def _measure_leg_length(places: np.ndarray, at: dict[str, int]) -> float:
    chains = ((f"{s}_hip", f"{s}_knee", f"{s}_ankle") for s in ("left", "right"))
    return float(
        np.mean([sum(np.linalg.norm(places[at[b]] - places[at[a]]) for a, b in ((h, k), (k, n))) for h, k, n in chains])
    )


def _compute_smallest_rotation(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Compute the smallest rotation (3, 3) from direction a to direction b."""
    a, b = a / np.linalg.norm(a), b / np.linalg.norm(b)
    v, c = np.cross(a, b), float(a @ b)
    if c < -0.9999:
        raise ValueError("opposite directions: the rotation is not unique")
    k = np.array([[0, -v[2], v[1]], [v[2], 0, -v[0]], [-v[1], v[0], 0]])
    return np.eye(3) + k + k @ k / (1 + c)

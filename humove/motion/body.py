"""The open body: a skinned mesh on SMPL's 24 joints, free of SMPL's licence (humove/assets/NOTICE).

It replaces SMPL where the user provides no SMPL file. Frame of the rest pose: T-pose, metres, y up, facing +z, its
left at +x, the pelvis 0.22 m under the origin as in SMPL, so that pose and translation mean the same there.
"""

from dataclasses import dataclass, replace
from functools import cache
from importlib.resources import files

import numpy as np
import torch

from humove.motion.rotations import axis_angle_to_matrix
from humove.motion.skeletons import SMPL_PARENTS


def _group_joints_by_depth() -> tuple[tuple[list[int], list[int]], ...]:
    """Group the joints below the root by depth: (joints, their parents)."""
    depth = [0] * len(SMPL_PARENTS)
    for joint in range(1, len(SMPL_PARENTS)):
        depth[joint] = depth[SMPL_PARENTS[joint]] + 1
    return tuple(
        ([j for j, d in enumerate(depth) if d == level], [SMPL_PARENTS[j] for j, d in enumerate(depth) if d == level])
        for level in range(1, max(depth) + 1)
    )


_LEVELS = _group_joints_by_depth()
# The permutation from the order of the levels back to SMPL's order.
_BACK = np.argsort([0] + [j for joints, _ in _LEVELS for j in joints]).tolist()


def compute_world_transforms(
    rest_joints: torch.Tensor, rotmats: torch.Tensor, transl: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute the world rotation (N, 24, 3, 3) and position (N, 24, 3) of each joint; see forward_kinematics."""
    parents = list(SMPL_PARENTS)
    bones = rest_joints[..., 1:, :] - rest_joints[..., parents[1:], :]
    bones = bones.expand(*rotmats.shape[:-4], rotmats.shape[-4], 23, 3)
    turns, places = [rotmats[..., :1, :, :]], [(rest_joints[..., :1, :] + transl[..., None, :])]
    slot = {0: (0, 0)}
    for level, (joints, above) in enumerate(_LEVELS, start=1):
        at = [slot[p][1] for p in above]  # all parents of a level are in the level above
        turn = turns[-1][..., at, :, :]
        local = bones[..., [j - 1 for j in joints], :]
        places.append(places[-1][..., at, :] + (turn @ local[..., None])[..., 0])
        turns.append(turn @ rotmats[..., joints, :, :])
        slot.update({j: (level, i) for i, j in enumerate(joints)})
    return torch.cat(turns, -3)[..., _BACK, :, :], torch.cat(places, -2)[..., _BACK, :]


def forward_kinematics(rest_joints: torch.Tensor, rotmats: torch.Tensor, transl: torch.Tensor) -> torch.Tensor:
    """Compute joint positions (N, 24, 3) m, differentiable in every argument, in 8 matrix products instead of 23.

    rest_joints: (24, 3) m, or (N, 24, 3); rotmats: (N, 24, 3, 3), each joint's rotation relative to its parent, the
    first one global; transl: (N, 3) m. As in SMPL joints[:, 0] = rest_joints[0] + transl.
    """
    return compute_world_transforms(rest_joints, rotmats, transl)[1]


def compute_joints(
    rest_joints: np.ndarray, global_orient: np.ndarray, body_pose: np.ndarray, transl: np.ndarray
) -> np.ndarray:
    """Compute joints (N, 24, 3) float32 m; global_orient (N, 3), body_pose (N, 23, 3) axis-angle, transl (N, 3) m."""
    pose = torch.from_numpy(np.concatenate([global_orient[:, None], body_pose], 1).astype(np.float64))
    joints = forward_kinematics(
        torch.from_numpy(rest_joints.astype(np.float64)),
        axis_angle_to_matrix(pose),
        torch.from_numpy(transl.astype(np.float64)),
    )
    return joints.numpy().astype(np.float32)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Body:
    """One body shape in its rest pose."""

    shape_name: str
    rest_joints: np.ndarray
    """(24, 3) float32 m, SMPL's order."""
    rest_vertices: np.ndarray
    """(V, 3) float32 m."""
    faces: np.ndarray
    """(F, 3) int32, outward by the right-hand rule."""
    parents: tuple[int, ...]
    bone_indices: np.ndarray
    """(V, 4) int64: the joints that drive each vertex."""
    bone_weights: np.ndarray
    """(V, 4) float32, rows sum to 1."""
    regions: tuple[str, ...]
    face_regions: np.ndarray
    """(F,) int64, indices into `regions`."""

    @classmethod
    def load(cls, shape: str = "neutral") -> "Body":
        """Load an embedded body shape, one of `Body.list_shapes()`. ValueError for another name."""
        stored = _load_arrays()
        names = [str(name) for name in stored["shape_names"]]
        if shape not in names:
            raise ValueError(f"no body shape {shape!r}: choose one of {', '.join(names)}")
        index = names.index(shape)
        return cls(
            shape_name=shape,
            rest_joints=stored["rest_joints"][index],
            rest_vertices=stored["vertices"][index],
            faces=stored["faces"],
            parents=tuple(stored["parents"].tolist()),
            bone_indices=stored["bone_indices"].astype(np.int64),
            bone_weights=stored["bone_weights"],
            regions=tuple(str(name) for name in stored["regions"]),
            face_regions=stored["face_regions"].astype(np.int64),
        )

    @staticmethod
    def list_shapes() -> tuple[str, ...]:
        """List the embedded shapes, the default first."""
        return tuple(str(name) for name in _load_arrays()["shape_names"])

    @property
    def stature(self) -> float:
        """Height of the mesh in metres, standing."""
        return float(np.ptp(self.rest_vertices[:, 1]))

    def scale(self, scale: float) -> "Body":
        """Return the body scaled by a factor."""
        if scale <= 0:
            raise ValueError(f"scale of {scale}: give a number above zero")
        return replace(
            self,
            rest_joints=(self.rest_joints * scale).astype(np.float32),
            rest_vertices=(self.rest_vertices * scale).astype(np.float32),
        )

    def compute_vertices(
        self, pose: np.ndarray, transl: np.ndarray, scale: float = 1.0, rest_joints: np.ndarray | None = None
    ) -> np.ndarray:
        """Compute the mesh (N, V, 3) float32 m by linear blend skinning, in the frame of the pose.

        pose: (N, 24, 3) axis-angle, global_orient first; transl: (N, 3) m. `rest_joints` (24, 3) puts the mesh on a
        skeleton with other bone lengths (as in a data set's motion): the mesh is scaled by the ratio of the two
        skeletons' sizes, each part moves with its own joint, and `scale` is ignored.
        """
        if rest_joints is None:
            joints, size = self.rest_joints * scale, scale
        else:
            joints, size = rest_joints, sum_bone_lengths(rest_joints) / sum_bone_lengths(self.rest_joints)
        turns, places = compute_world_transforms(
            torch.from_numpy(joints.astype(np.float64)),
            axis_angle_to_matrix(torch.from_numpy(np.asarray(pose, dtype=np.float64))),
            torch.from_numpy(np.asarray(transl, dtype=np.float64)),
        )
        # Vertices keep the scaled body's offsets from their joints; only the joints are moved apart.
        local = (self.rest_vertices[:, None] - self.rest_joints[self.bone_indices]).astype(np.float64) * size
        at = torch.from_numpy(self.bone_indices)
        weighted = torch.from_numpy(self.bone_weights.astype(np.float64))
        moved = torch.einsum("nvbij,vbj->nvbi", turns[:, at], torch.from_numpy(local)) + places[:, at]
        return (moved * weighted[..., None]).sum(2).numpy().astype(np.float32)


def sum_bone_lengths(rest_joints: np.ndarray) -> float:
    """Sum the lengths of the 23 bones in metres: the size of a skeleton."""
    return float(np.linalg.norm(rest_joints[1:] - rest_joints[list(SMPL_PARENTS[1:])], axis=-1).sum())


@cache
def _load_arrays() -> dict[str, np.ndarray]:
    with (files("humove") / "assets" / "body.npz").open("rb") as handle, np.load(handle, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}

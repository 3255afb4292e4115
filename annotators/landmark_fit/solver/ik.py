"""Analytic inverse kinematics, all frames at once (numpy).

`solve_from_joints` is exact: forward kinematics of its result gives the joints back if bone lengths agree.
`solve_from_markers` starts the fit: it estimates the 24 joints from landmarks on the body and then does the same.
"""

import numpy as np

from annotators.landmark_fit.markers import Markers
from annotators.landmark_fit.solver.rigid import align_vectors, compute_swing, normalise_vectors, rotate_about_axis
from humove.motion.skeletons import SMPL_PARENTS

_CHILD = {1: 4, 2: 5, 3: 6, 4: 7, 5: 8, 6: 9, 7: 10, 8: 11, 12: 15, 13: 16, 14: 17, 16: 18, 17: 19, 18: 20, 19: 21,
          20: 22, 21: 23}  # fmt: skip
_HUBS = {0: [1, 2, 3], 9: [12, 13, 14]}
# joint whose twist is visible in the bend of its child: (child, grandchild, direction of the grandchild's bend)
_HINGES = {
    1: (4, 7, (0.0, 0.0, -1.0)), 2: (5, 8, (0.0, 0.0, -1.0)),
    16: (18, 20, (0.0, 0.0, 1.0)), 17: (19, 21, (0.0, 0.0, 1.0)),
}  # fmt: skip
_BENT = (0.15, 0.45)
"""Sine of the bend below which twist is unknown, and above which it is fully applied."""


def solve_from_joints(joints: np.ndarray, rest_joints: np.ndarray) -> np.ndarray:
    """Solve local rotations (N, 24, 3, 3) whose forward kinematics gives `joints` (N, 24, 3), in any frame, with root.

    Twist about a bone, which joints do not show, comes from the bend of knee and elbow, else from the parent.
    """
    n = len(joints)
    turned = np.empty((n, 24, 3, 3))
    for joint in range(24):
        parent = SMPL_PARENTS[joint]
        above = turned[:, parent] if joint else None
        if joint in _HUBS:
            kids = _HUBS[joint]
            turned[:, joint] = align_vectors(
                rest_joints[kids] - rest_joints[joint], joints[:, kids] - joints[:, joint, None], above, 1e-8
            )
        elif joint in _CHILD:
            kid = _CHILD[joint]
            turned[:, joint] = _aim_bone(
                above, rest_joints[kid] - rest_joints[joint], joints[:, kid] - joints[:, joint]
            )
            if joint in _HINGES:
                kid, grandkid, way = _HINGES[joint]
                forearm = joints[:, grandkid] - joints[:, kid]
                turned[:, joint] = _twist_bone(turned[:, joint], rest_joints[kid] - rest_joints[joint], forearm, way)
        else:
            turned[:, joint] = above
    return to_local_rotations(turned)


def to_local_rotations(turned: np.ndarray) -> np.ndarray:
    """Convert global rotations (N, 24, 3, 3) to rotations relative to the parent."""
    local = turned.copy()
    for joint in range(1, 24):
        local[:, joint] = np.swapaxes(turned[:, SMPL_PARENTS[joint]], -1, -2) @ turned[:, joint]
    return local


def _aim_bone(frame: np.ndarray, bone: np.ndarray, observed: np.ndarray) -> np.ndarray:
    return compute_swing(frame @ bone, observed) @ frame


def _twist_bone(
    frame: np.ndarray, bone: np.ndarray, next_bone: np.ndarray, way: tuple[float, float, float]
) -> np.ndarray:
    """Twist `frame` (N, 3, 3) about its bone so that the next bone bends in the joint's direction."""
    axis = normalise_vectors(frame @ bone)
    across = next_bone - axis * np.einsum("ni,ni->n", axis, next_bone)[:, None]
    sine = np.linalg.norm(across, axis=-1) / np.maximum(np.linalg.norm(next_bone, axis=-1), 1e-9)
    want = frame @ np.asarray(way)
    want = normalise_vectors(want - axis * np.einsum("ni,ni->n", axis, want)[:, None])
    across = normalise_vectors(across)
    angle = np.arctan2(np.einsum("ni,ni->n", np.cross(want, across), axis), np.einsum("ni,ni->n", want, across))
    trust = np.clip((sine - _BENT[0]) / (_BENT[1] - _BENT[0]), 0, 1)
    return rotate_about_axis(axis, angle * trust * trust * (3 - 2 * trust)) @ frame


def solve_from_markers(world: np.ndarray, markers: Markers, rest_joints: np.ndarray) -> np.ndarray:
    """Solve local rotations (N, 24, 3, 3) of metric landmarks `world` (N, 33, 3), in any frame and at any scale."""
    n = len(world)
    at_rest = markers.place_at_rest(rest_joints)
    index = markers.index
    mid = lambda points, a, b: 0.5 * (points[..., index[a], :] + points[..., index[b], :])  # noqa: E731
    turned = np.empty((n, 24, 3, 3))

    def align_torso(across: str) -> np.ndarray:
        frames = []
        for points in (at_rest, world):
            side = points[..., index[f"left_{across}"], :] - points[..., index[f"right_{across}"], :]
            up = mid(points, "left_shoulder", "right_shoulder") - mid(points, "left_hip", "right_hip")
            frames.append(np.stack([normalise_vectors(side), normalise_vectors(up)], -2))
        return align_vectors(*frames)

    turned[:, 0] = align_torso("hip")
    turned[:, 9] = align_torso("shoulder")
    turned[:, 3] = align_vectors(np.eye(3), np.swapaxes(2 * turned[:, 0] + turned[:, 9], -1, -2))
    turned[:, 6] = align_vectors(np.eye(3), np.swapaxes(turned[:, 0] + 2 * turned[:, 9], -1, -2))
    turned[:, [10, 11, 22, 23]] = np.eye(3)

    face = [
        index[name] for name in ("nose", "left_eye", "right_eye", "left_ear", "right_ear", "mouth_left", "mouth_right")
    ]
    turned[:, 15] = align_vectors(
        at_rest[face] - at_rest[face].mean(0),
        world[:, face] - world[:, face].mean(1, keepdims=True),
        turned[:, 9],
        0.002,
    )
    turned[:, 12] = align_vectors(np.eye(3), np.swapaxes(turned[:, 9] + turned[:, 15], -1, -2))

    def locate_joint(name: str, frame: np.ndarray) -> np.ndarray:
        return world[:, index[name]] - frame @ markers.offsets[index[name]]

    chest = mid(world, "left_shoulder", "right_shoulder") - turned[:, 9] @ (
        mid(at_rest, "left_shoulder", "right_shoulder") - rest_joints[9]
    )
    for side, hip, knee, ankle, foot, collar, shoulder, elbow, wrist, hand in (
        ("left", 1, 4, 7, 10, 13, 16, 18, 20, 22), ("right", 2, 5, 8, 11, 14, 17, 19, 21, 23),
    ):  # fmt: skip
        p_hip, p_shoulder = locate_joint(f"{side}_hip", turned[:, 0]), locate_joint(f"{side}_shoulder", turned[:, 9])
        p_knee, p_ankle, p_elbow, p_wrist = (
            world[:, index[f"{side}_{j}"]] for j in ("knee", "ankle", "elbow", "wrist")
        )
        for root, start, middle, end in ((hip, p_hip, p_knee, p_ankle), (shoulder, p_shoulder, p_elbow, p_wrist)):
            kid, grandkid, way = _HINGES[root]
            base = turned[:, 0] if root == hip else turned[:, 9]
            bone, next_bone = rest_joints[kid] - rest_joints[root], rest_joints[grandkid] - rest_joints[kid]
            turned[:, root] = _twist_bone(_aim_bone(base, bone, middle - start), bone, end - middle, way)
            turned[:, kid] = _aim_bone(turned[:, root], next_bone, end - middle)
        from_chest = chest + turned[:, 9] @ (rest_joints[collar] - rest_joints[9])
        turned[:, collar] = align_vectors(
            rest_joints[[shoulder]] - rest_joints[collar], (p_shoulder - from_chest)[:, None], turned[:, 9], 0.02
        )
        for end, above, names in (
            (ankle, knee, ("ankle", "heel", "foot_index")), (wrist, elbow, ("wrist", "pinky", "index", "thumb"))
        ):  # fmt: skip
            rows = [index[f"{side}_{name}"] for name in names]
            turned[:, end] = align_vectors(
                at_rest[rows[1:]] - at_rest[rows[0]], world[:, rows[1:]] - world[:, rows[:1]], turned[:, above], 0.004
            )
        turned[:, foot], turned[:, hand] = turned[:, ankle], turned[:, wrist]
    return to_local_rotations(turned)

"""The person's proportions and place. The stature is assumed: landmarks in metres say nothing of it (see config)."""

import numpy as np

from annotators.landmark_fit.markers import Markers
from humove.skeletons import SMPL_PARENTS

_BONES = (
    ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("shoulder", "hip"),
)  # fmt: skip
_WIDTHS = ("shoulder", "hip")
_LIMB_JOINTS = {
    ("shoulder", "elbow"): (18, 19), ("elbow", "wrist"): (20, 21), ("hip", "knee"): (4, 5), ("knee", "ankle"): (7, 8),
    ("shoulder", "hip"): (3, 6, 9, 12, 13, 14),
}  # fmt: skip
_LIMB_RANGE = 0.15


def bone_lengths(points: np.ndarray, index: dict[str, int]) -> np.ndarray:
    """Landmark distances (..., 7) m: five bones, left and right averaged, and the widths of shoulders and hips."""

    def distance(a: str, b: str) -> np.ndarray:
        return np.linalg.norm(points[..., index[a], :] - points[..., index[b], :], axis=-1)

    bones = [0.5 * (distance(f"left_{a}", f"left_{b}") + distance(f"right_{a}", f"right_{b}")) for a, b in _BONES]
    return np.stack(bones + [distance(f"left_{a}", f"right_{a}") for a in _WIDTHS], -1)


def limb_factors(world: np.ndarray, at_rest: np.ndarray, index: dict[str, int], freedom: float) -> np.ndarray:
    """(24,) factor on each joint's rest offset from its parent, about 1: proportions, trusted by `freedom` 0..1.

    Ratios are taken against the median limb, so that factors say shape and not size.
    """
    ratios = np.median(bone_lengths(world, index), 0)[: len(_BONES)] / bone_lengths(at_rest, index)[: len(_BONES)]
    ratios = ratios / np.exp(np.log(ratios).mean())
    factors = np.ones(24)
    for ratio, bone in zip(ratios, _BONES, strict=True):
        factors[list(_LIMB_JOINTS[bone])] = np.clip(1 + freedom * (ratio - 1), 1 - _LIMB_RANGE, 1 + _LIMB_RANGE)
    return factors


def stretched(rest_joints: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Rest joints (24, 3) with each bone multiplied by its factor (24,); the pelvis stays."""
    out = np.array(rest_joints, dtype=np.float64)
    for joint in range(1, 24):
        parent = SMPL_PARENTS[joint]
        out[joint] = out[parent] + factors[joint] * (rest_joints[joint] - rest_joints[parent])
    return out


def placed(points: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Translation (N, 3) that brings `points` (N, K, 3) onto their viewing rays (N, K, 2), least squares per frame."""
    n, k, _ = points.shape
    rows = np.zeros((n, k, 2, 3))
    rows[..., 0, 0] = rows[..., 1, 1] = 1
    rows[..., 2] = -rays
    want = rays * points[..., 2:] - points[..., :2]
    normal = np.einsum("nk,nkia,nkib->nab", weights, rows, rows) + 1e-9 * np.eye(3)
    right = np.einsum("nk,nkia,nki->na", weights, rows, want)
    out = np.linalg.solve(normal, right[..., None])[..., 0]
    out[:, 2] = np.clip(out[:, 2], 0.5, 50.0)
    return out


def markers_of(joints: np.ndarray, turned: np.ndarray, markers: Markers) -> np.ndarray:
    """The landmarks (N, 33, 3) on a posed body: joints (N, 24, 3), global rotations (N, 24, 3, 3)."""
    return joints[:, markers.place] + np.einsum("nkij,kj->nki", turned[:, markers.frame], markers.offsets)

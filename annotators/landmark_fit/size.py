"""The person's proportions and position. The stature is assumed: metric landmarks do not show it (see config)."""

import numpy as np

from annotators.landmark_fit.markers import Markers
from humove.motion.skeletons import SMPL_PARENTS

_BONES = (
    ("shoulder", "elbow"), ("elbow", "wrist"), ("hip", "knee"), ("knee", "ankle"), ("shoulder", "hip"),
)  # fmt: skip
_WIDTHS = ("shoulder", "hip")
_LIMB_JOINTS = {
    ("shoulder", "elbow"): (18, 19), ("elbow", "wrist"): (20, 21), ("hip", "knee"): (4, 5), ("knee", "ankle"): (7, 8),
    ("shoulder", "hip"): (3, 6, 9, 12, 13, 14),
}  # fmt: skip
_LIMB_RANGE = 0.15


def measure_bone_lengths(points: np.ndarray, index: dict[str, int]) -> np.ndarray:
    """Measure (..., 7) m: five bones, left and right averaged, and the widths of shoulders and hips."""

    def measure_distance(a: str, b: str) -> np.ndarray:
        return np.linalg.norm(points[..., index[a], :] - points[..., index[b], :], axis=-1)

    bones = [
        0.5 * (measure_distance(f"left_{a}", f"left_{b}") + measure_distance(f"right_{a}", f"right_{b}"))
        for a, b in _BONES
    ]
    return np.stack(bones + [measure_distance(f"left_{a}", f"right_{a}") for a in _WIDTHS], -1)


def compute_limb_factors(world: np.ndarray, at_rest: np.ndarray, index: dict[str, int], freedom: float) -> np.ndarray:
    """Compute (24,) factors, about 1, on each joint's rest offset from its parent: proportions, weighted by `freedom`
    0..1.

    Ratios are relative to the mean limb, so that factors express shape and not size.
    """
    ratios = (
        np.median(measure_bone_lengths(world, index), 0)[: len(_BONES)]
        / measure_bone_lengths(at_rest, index)[: len(_BONES)]
    )
    ratios = ratios / np.exp(np.log(ratios).mean())
    factors = np.ones(24)
    for ratio, bone in zip(ratios, _BONES, strict=True):
        factors[list(_LIMB_JOINTS[bone])] = np.clip(1 + freedom * (ratio - 1), 1 - _LIMB_RANGE, 1 + _LIMB_RANGE)
    return factors


def scale_bones(rest_joints: np.ndarray, factors: np.ndarray) -> np.ndarray:
    """Scale each bone of the rest joints (24, 3) by its factor (24,); the pelvis stays."""
    out = np.array(rest_joints, dtype=np.float64)
    for joint in range(1, 24):
        parent = SMPL_PARENTS[joint]
        out[joint] = out[parent] + factors[joint] * (rest_joints[joint] - rest_joints[parent])
    return out


def fit_translation(points: np.ndarray, rays: np.ndarray, weights: np.ndarray) -> np.ndarray:
    """Fit the translation (N, 3) that moves `points` (N, K, 3) onto their rays (N, K, 2), least squares per frame."""
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


def place_markers(joints: np.ndarray, turned: np.ndarray, markers: Markers) -> np.ndarray:
    """Place the landmarks (N, 33, 3) on a posed body: joints (N, 24, 3), global rotations (N, 24, 3, 3)."""
    return joints[:, markers.place] + np.einsum("nkij,kj->nki", turned[:, markers.frame], markers.offsets)

"""Rotations from directions, vectorised over frames (numpy, float64)."""

import numpy as np


def normalised(vectors: np.ndarray) -> np.ndarray:
    """(..., 3) to unit length; zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def nearest_rotation(matrices: np.ndarray) -> np.ndarray:
    """The rotation nearest to each (..., 3, 3) matrix in the Frobenius norm."""
    u, _, vt = np.linalg.svd(matrices)
    sign = np.ones(matrices.shape[:-1])
    sign[..., 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[..., None, :]) @ vt


def align(
    model: np.ndarray, seen: np.ndarray, prior: np.ndarray | None = None, prior_weight: float = 0.0
) -> np.ndarray:
    """Rotation (N, 3, 3) that turns the vectors `model` (K, 3) onto `seen` (N, K, 3) (Wahba's problem).

    `prior` (N, 3, 3) says where to stay when the vectors leave it open; `prior_weight` is in squared units of length.
    """
    scatter = np.einsum("nki,kj->nij", seen, model)
    if prior is not None:
        scatter = scatter + prior_weight * prior
    return nearest_rotation(scatter)


def swing(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """The shortest rotation (N, 3, 3) that takes directions `start` (N, 3) to `end` (N, 3)."""
    a, b = normalised(start), normalised(end)
    v = np.cross(a, b)
    c = np.einsum("ni,ni->n", a, b)
    k = skew(v)
    out = np.eye(3) + k + (k @ k) / np.maximum(1 + c, 1e-9)[:, None, None]
    opposite = c < -1 + 1e-7
    if opposite.any():
        side = np.cross(a[opposite], np.eye(3)[np.abs(a[opposite]).argmin(-1)])
        side = normalised(side)
        out[opposite] = 2 * side[:, :, None] * side[:, None, :] - np.eye(3)
    return out


def skew(vectors: np.ndarray) -> np.ndarray:
    """(..., 3) -> (..., 3, 3), so that skew(a) @ b = a x b."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    o = np.zeros_like(x)
    return np.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*vectors.shape, 3)


def about_axis(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Rotation (N, 3, 3) about unit `axis` (N, 3) by `angle` (N,) radians."""
    k = skew(axis)
    return np.eye(3) + np.sin(angle)[:, None, None] * k + (1 - np.cos(angle))[:, None, None] * (k @ k)

"""Rotations from directions, vectorised over frames (numpy, float64)."""

import numpy as np


def normalise_vectors(vectors: np.ndarray) -> np.ndarray:
    """Normalise vectors (..., 3) to unit length; zero stays zero."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=-1, keepdims=True), 1e-12)


def find_nearest_rotation(matrices: np.ndarray) -> np.ndarray:
    """Find the rotation nearest to each (..., 3, 3) matrix in the Frobenius norm."""
    u, _, vt = np.linalg.svd(matrices)
    sign = np.ones(matrices.shape[:-1])
    sign[..., 2] = np.sign(np.linalg.det(u @ vt))
    return (u * sign[..., None, :]) @ vt


def align_vectors(
    model: np.ndarray, observed: np.ndarray, prior: np.ndarray | None = None, prior_weight: float = 0.0
) -> np.ndarray:
    """Find the rotation (N, 3, 3) from the vectors `model` (K, 3) to `observed` (N, K, 3) (Wahba's problem).

    `prior` (N, 3, 3) decides what the vectors leave undetermined; `prior_weight` is in squared units of length.
    """
    scatter = np.einsum("nki,kj->nij", observed, model)
    if prior is not None:
        scatter = scatter + prior_weight * prior
    return find_nearest_rotation(scatter)


def compute_swing(start: np.ndarray, end: np.ndarray) -> np.ndarray:
    """Compute the shortest rotation (N, 3, 3) from directions `start` (N, 3) to `end` (N, 3)."""
    a, b = normalise_vectors(start), normalise_vectors(end)
    v = np.cross(a, b)
    c = np.einsum("ni,ni->n", a, b)
    k = make_skew_matrix(v)
    out = np.eye(3) + k + (k @ k) / np.maximum(1 + c, 1e-9)[:, None, None]
    opposite = c < -1 + 1e-7
    if opposite.any():
        side = np.cross(a[opposite], np.eye(3)[np.abs(a[opposite]).argmin(-1)])
        side = normalise_vectors(side)
        out[opposite] = 2 * side[:, :, None] * side[:, None, :] - np.eye(3)
    return out


def make_skew_matrix(vectors: np.ndarray) -> np.ndarray:
    """Make the matrices (..., 3, 3) of vectors (..., 3) with skew(a) @ b = a x b."""
    x, y, z = np.moveaxis(vectors, -1, 0)
    o = np.zeros_like(x)
    return np.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*vectors.shape, 3)


def rotate_about_axis(axis: np.ndarray, angle: np.ndarray) -> np.ndarray:
    """Make the rotation (N, 3, 3) about unit `axis` (N, 3) by `angle` (N,) radians."""
    k = make_skew_matrix(axis)
    return np.eye(3) + np.sin(angle)[:, None, None] * k + (1 - np.cos(angle))[:, None, None] * (k @ k)

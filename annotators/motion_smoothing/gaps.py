"""Fill missing rows from their neighbours."""

import numpy as np

from humove.motion.rotations import resample_linear, resample_rotations


def fill_gaps(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Interpolate rows of `values` (N, ...) where `known` (N,) is False linearly; held at the ends."""
    if known.all():
        return values
    rows, missing = np.flatnonzero(known), np.flatnonzero(~known)
    out = values.copy()
    out[missing] = resample_linear(values[rows], rows.astype(np.float64), missing.astype(np.float64))
    return out


def fill_rotation_gaps(axis_angle: np.ndarray, known: np.ndarray) -> np.ndarray:
    """Interpolate likewise axis-angles (N, ..., 3), along the shortest arc."""
    if known.all():
        return axis_angle
    rows, missing = np.flatnonzero(known), np.flatnonzero(~known)
    out = axis_angle.copy()
    out[missing] = resample_rotations(axis_angle[rows], rows.astype(np.float64), missing.astype(np.float64))
    return out

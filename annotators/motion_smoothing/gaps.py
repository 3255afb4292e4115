"""Rows without evidence are filled from the rows about them."""

import numpy as np

from humove.rotations import resample_linear, resample_rotations


def filled(values: np.ndarray, known: np.ndarray) -> np.ndarray:
    """`values` (N, ...) with rows where `known` (N,) is False interpolated linearly; held at the ends."""
    if known.all():
        return values
    rows, missing = np.flatnonzero(known), np.flatnonzero(~known)
    out = values.copy()
    out[missing] = resample_linear(values[rows], rows.astype(np.float64), missing.astype(np.float64))
    return out


def filled_rotations(axis_angle: np.ndarray, known: np.ndarray) -> np.ndarray:
    """The same for axis-angle (N, ..., 3), along the shortest arc."""
    if known.all():
        return axis_angle
    rows, missing = np.flatnonzero(known), np.flatnonzero(~known)
    out = axis_angle.copy()
    out[missing] = resample_rotations(axis_angle[rows], rows.astype(np.float64), missing.astype(np.float64))
    return out

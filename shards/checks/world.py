"""Check a camera path: valid rotations, and one gravity direction for the whole clip."""

import numpy as np

from shards.checks.defect import Findings
from shards.npz import WORLD_ARRAYS

TOLERANCE = 0.01
"""Largest deviation of a rotation's columns, or of gravity in the world, from unit vectors."""
DOWN = np.array([0.0, -1.0, 0.0])


def check_world(where: str, arrays: dict[str, np.ndarray], num_frames: int) -> Findings:
    """Check world.npz against the frame count in the json."""
    found = Findings(where)
    for name, (dtype, shape) in WORLD_ARRAYS.items():
        wanted = tuple(num_frames if n == "N" else n for n in shape)
        if name not in arrays:
            found.add(f"world.npz lacks {name}")
        elif arrays[name].shape != wanted or arrays[name].dtype != np.dtype(dtype):
            found.add(f"world.npz {name} is {arrays[name].dtype}{arrays[name].shape}, wanted {dtype} {wanted}")
        elif not np.isfinite(arrays[name]).all():
            found.add(f"world.npz {name} holds values that are not finite")
    if found:
        return found
    rotation, gravity = arrays["rotation"].astype(float), arrays["gravity"].astype(float)
    square = np.abs(rotation @ np.swapaxes(rotation, 1, 2) - np.eye(3)).max()
    proper = (np.linalg.det(rotation) > 0).all()
    found.expect(square <= TOLERANCE and proper, "world.npz rotation holds matrices that are not rotations")
    off = np.abs(np.einsum("nij,nj->ni", rotation, gravity) - DOWN).max()
    found.expect(
        off <= TOLERANCE, f"world.npz gravity does not point down in its world, whose y is up: off by {off:.2f}"
    )
    return found

"""One continuous motion from per-frame results: gaps filled, one shape, rotations smoothed on SO(3)."""

"""From what a model says frame by frame to one body that moves: gaps filled, one shape, rotations smoothed on SO(3)."""

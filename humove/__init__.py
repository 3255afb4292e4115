"""The vocabulary and contracts of the HuMoVe toolkit: types, stages, video, camera, rotations, body model."""

__version__ = "0.1.0"

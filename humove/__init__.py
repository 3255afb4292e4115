"""Shared types and interfaces of the HuMoVe toolkit: stages, stores, video, camera, rotations, body model."""

__version__ = "0.1.0"

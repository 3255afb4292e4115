"""SMPL motion as the numbers that the model sees, 51 tokens a frame, and back."""

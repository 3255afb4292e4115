"""SMPL motion as the model's features, 51 tokens per frame, and back."""

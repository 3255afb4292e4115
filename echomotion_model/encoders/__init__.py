"""Encoders of frames to latents and back, and of captions to text tokens."""

"""Pictures to latents and back, and captions to text tokens."""

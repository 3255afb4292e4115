"""Training in two phases: motion alone, then video and motion together."""

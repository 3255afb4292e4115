"""Training in two phases: motion only, then video and motion together."""

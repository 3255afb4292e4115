"""The build engine: jobs, their order, the workers that run them, and the stored state."""

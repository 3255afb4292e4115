"""Video input and output: probe, scan, frames of a clip, crop window, encode."""

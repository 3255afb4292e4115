"""Video in and out: probe, scan, frames of a clip, crop window, encode."""

"""SMPL motion from files that other programs wrote: CameraHMR, WHAM, GVHMR, SAM 3D Body."""

"""SMPL motion from result files of other programs: CameraHMR, WHAM, GVHMR, SAM 3D Body."""

"""The dual-branch diffusion transformer: Wan's video branch and a motion branch."""

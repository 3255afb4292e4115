"""The dual-branch diffusion transformer: Wan's own, with a motion branch beside its video branch."""

"""The user's SMPL files, read without running code from them, and posed by smplx."""

"""The user's own SMPL files: read without running code from them, and moved by smplx."""

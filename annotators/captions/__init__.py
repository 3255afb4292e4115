"""Captions. The built-in captioner, "kinematics", describes what is measured in frames and motion."""

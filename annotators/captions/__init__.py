"""Captions. Built in: "kinematics", which says in words what pictures and motion measure, and nothing else."""

"""Scores for the reliability of a motion, that need no ground truth."""

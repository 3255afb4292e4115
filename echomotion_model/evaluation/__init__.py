"""Evaluation of a trained run, beside baselines without a model."""

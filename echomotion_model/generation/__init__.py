"""Generation of samples: a trained run, and conditions fitted to its shapes."""

"""Person tracks by the models of ultralytics (AGPL-3.0), from a file of weights that the user names."""

"""Person tracks by the models of ultralytics (AGPL-3.0), from the user's weights file."""

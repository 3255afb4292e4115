"""The inputs of a build: their listing, and a local file for each while it is read."""

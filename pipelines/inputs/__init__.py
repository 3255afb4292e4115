"""The inputs of a build: listing them, and one local file for each while it is read."""

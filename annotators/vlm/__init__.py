"""Captions by a vision-language model that runs here, from a folder that the user names."""

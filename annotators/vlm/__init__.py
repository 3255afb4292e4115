"""Captions by a local vision-language model, from a folder that the user names."""

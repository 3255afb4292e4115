"""The quality report of a data set: figures, a page, gates on figures, and the comparison of two sets."""

"""The quality report: every figure of a data set, a page that shows them, gates on them, and two sets compared."""

"""The build engine: what is measured, where it is kept, who measures it, and in which order."""

"""The checks of `shards.verify`, one subject per file. A check returns all its findings."""

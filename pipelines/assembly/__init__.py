"""From measured clips to a committed data set: near-duplicates, packing, tables, commit."""

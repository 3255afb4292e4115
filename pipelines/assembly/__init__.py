"""Assembly: near-duplicates, packing, tables and the commit of measured clips as a data set."""

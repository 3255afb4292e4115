"""The data set on disk: its format, writer, index, reader, verifier, data card and sample inspector."""

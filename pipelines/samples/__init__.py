"""Sample videos with known motion, made on the user's machine: what `make demo` builds from, and is scored against."""

"""The jobs that commands run, one per file."""

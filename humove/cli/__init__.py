"""The `humove` command. Only this package may import every other one, inside its commands."""

from humove.cli.app import app, main

__all__ = ["app", "main"]

"""Folders that all processes of a test run share, so that xdist's workers build a data set once between them."""

import fcntl
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest


def make_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], object]) -> Path:
    """The folder `name` that `make(folder)` has filled; the first process that asks makes it, the others wait.

    `make` is given a path whose parent exists. Tests must not write to the folder.
    """
    root = find_run_folder(factory)
    folder, done = root / name / "made", root / name / "done"
    folder.parent.mkdir(exist_ok=True)
    with (folder.parent / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not done.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed
            make(folder)
            done.touch()
    return folder


def find_run_folder(factory: pytest.TempPathFactory) -> Path:
    """This run's folder: under xdist each worker's own lies in it."""
    base = factory.getbasetemp()
    return base.parent if base.name.startswith("popen-") else base

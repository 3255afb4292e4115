"""The functions of worker processes in the tests of the cache."""

import time
from pathlib import Path

from pipelines.inputs.cache import SourceCache
from pipelines.inputs.reference import InputRef


def open_together(job: tuple[SourceCache, InputRef, float, float]) -> tuple[bytes, float, float] | str:
    """Open an input at a given time for `hold_s`; return its bytes and the times of opening and closing."""
    cache, item, start, hold_s = job
    time.sleep(max(0.0, start - time.time()))
    try:
        with cache.open(item) as path:
            opened = time.time()
            time.sleep(hold_s)
            return path.read_bytes(), opened, time.time()
    except OSError as e:
        return f"{type(e).__name__}: {e}"


def open_many(job: tuple[SourceCache, list[InputRef]]) -> list[int]:
    cache, items = job
    sizes = []
    for item in items:
        with cache.open(item) as path:
            sizes.append(len(path.read_bytes()))
    return sizes


def hold_open(cache: SourceCache, item: InputRef, ready: Path) -> None:
    with cache.open(item):
        ready.touch()
        time.sleep(60)

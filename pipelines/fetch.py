"""A local file for every location: what is remote is copied to scratch, used, and removed."""

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

import fsspec

from pipelines.inputs import InputRef, changed, is_url


class FetchError(OSError):
    """The location could not be read: a property of the input, not a fault."""


@contextmanager
def local_file(item: InputRef, scratch: Path) -> Iterator[Path]:
    """Yields a path that PyAV and ffmpeg can open. Raises FetchError with one line where there is none.

    A local file must be the one that its batch was frozen with: another one under the same name would be paired with
    what was measured of the first. A failed download is tried three times; where the store still fails, the
    ConnectionError is a fault, which a further run tries again.
    """
    location = item.location
    if not is_url(location):
        path = Path(location)
        if not path.is_file():
            raise FetchError("no such file")
        if changed(item):
            raise FetchError("the file has changed since this build first read it")
        yield path
        return
    scratch.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=scratch) as folder:
        path = Path(folder) / ("video" + Path(urlsplit(location).path).suffix)
        for last in (False, False, True):
            try:
                with fsspec.open(location, "rb") as source, path.open("wb") as target:
                    shutil.copyfileobj(source, target, 1 << 20)
                break
            except FileNotFoundError as e:
                raise FetchError(f"not found: {location}") from e
            except Exception as e:  # each store has exceptions of its own; all mean that the store failed
                if last:
                    raise ConnectionError(f"{location}: {type(e).__name__}: {e}".splitlines()[0]) from e
        yield path

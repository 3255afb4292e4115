"""Where a data set lies: a folder of this machine, or an address in a store."""

import fsspec
from fsspec.core import url_to_fs

from humove.errors import UserError


def place_of(path: str) -> tuple[fsspec.AbstractFileSystem, str]:
    """The file system of a path or URL, and the place in it. UserError where no file system is at hand for it."""
    try:
        fs, root = url_to_fs(path)
    except ImportError as error:
        raise UserError(f"{path}: {error}; install the extra for this store, e.g. make setup EXTRAS=s3") from error
    except ValueError as error:
        raise UserError(f"{path}: {error}; give a folder, or an address such as s3://bucket/set") from error
    return fs, root.rstrip("/")


def read_first(fs: fsspec.AbstractFileSystem, root: str, name: str, path: str, remedy: str) -> bytes:
    """The document that makes a folder a data set. UserError where it isn't there, or the store doesn't answer."""
    try:
        return fs.cat_file(f"{root}/{name}")
    except (FileNotFoundError, NotADirectoryError) as error:
        raise UserError(f"{path} holds no {name}; {remedy}") from error
    except OSError as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path}/{name} could not be read: {said}; check the address and your rights there") from error

"""Read arrays from pickles of other programs: numpy's object files and joblib's dumps.

A pickle may name any function and call it. Here only numpy arrays, numbers and plain containers are allowed; every
other name is an error.
"""

import collections
import pickle
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

_MAGIC = b"\x93NUMPY"
_MAX_BYTES = 1 << 32


class RefusedPickle(ValueError):
    """A pickle that refers to more than arrays."""


class _JoblibArray:
    """joblib's marker that an array's bytes follow in the stream; its attributes are set from the pickle."""

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.state = state

    def read_array(self, file: BinaryIO) -> np.ndarray:
        dtype, shape = np.dtype(self.state["dtype"]), tuple(int(n) for n in self.state["shape"])
        if dtype.hasobject:
            raise RefusedPickle("it holds an array of Python objects")
        if self.state.get("numpy_array_alignment_bytes") is not None:
            file.read(file.read(1)[0])
        count = int(np.prod(shape, dtype=np.int64))
        if not 0 <= count * dtype.itemsize <= _MAX_BYTES:
            raise RefusedPickle(f"it has an array of shape {shape}")
        content = file.read(count * dtype.itemsize)
        return np.frombuffer(content, dtype, count).reshape(shape, order=self.state["order"]).copy()


def _make_empty_array(kind: type, shape: tuple, code: bytes) -> np.ndarray:
    return np.empty((0,), dtype=np.uint8) if kind is np.ndarray else _refuse_array(kind)


def _refuse_array(what: object) -> Any:
    raise RefusedPickle(f"it makes an array of {what!r}")


_CORES = ("numpy.core.multiarray", "numpy._core.multiarray")
_ALLOWED: dict[tuple[str, str], Any] = {
    ("numpy", "ndarray"): np.ndarray,
    ("numpy", "dtype"): np.dtype,
    ("builtins", "dict"): dict,
    ("builtins", "list"): list,
    ("collections", "defaultdict"): collections.defaultdict,
    ("collections", "OrderedDict"): collections.OrderedDict,
    ("joblib.numpy_pickle", "NumpyArrayWrapper"): _JoblibArray,
    **{(core, "_reconstruct"): _make_empty_array for core in _CORES},
    **{(core, "scalar"): lambda dtype, raw: np.frombuffer(raw, dtype, 1)[0] for core in _CORES},
}


class _ArrayUnpickler(pickle._Unpickler):  # the one in Python: only it can read the stream between two steps
    def __init__(self, file: BinaryIO) -> None:
        super().__init__(file)
        self._file = file

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _ALLOWED:
            raise RefusedPickle(f"it refers to {module}.{name}, which no file of arrays needs")
        return _ALLOWED[module, name]

    def load_build(self) -> None:
        built, state = self.stack[-2:]
        if isinstance(built, np.ndarray) and state[2].hasobject:
            # numpy would accept any objects: the one that numpy.save wraps is unwrapped, others are refused.
            if state[1] != () or not isinstance(state[4], list):
                raise RefusedPickle("it holds an array of Python objects")
            del self.stack[-1]
            (self.stack[-1],) = state[4]
            return
        super().load_build()
        if isinstance(built, _JoblibArray):
            self.stack[-1] = built.read_array(self._file)

    dispatch = {**pickle._Unpickler.dispatch, pickle.BUILD[0]: load_build}


def read_pickled(path: Path) -> Any:
    """Read a joblib dump (uncompressed), a pickle or a .npy of one object: containers, arrays, numbers, texts.

    Errors: ValueError with what is wrong with the file.
    """
    try:
        with path.open("rb") as file:
            if file.read(len(_MAGIC)) == _MAGIC:
                file.seek(0)
                _skip_header(file)
            else:
                file.seek(0)
            return _ArrayUnpickler(file).load()
    except RefusedPickle:
        raise
    except OSError as error:
        raise ValueError(f"cannot be read: {error}") from error
    # Any exception of the reader means a broken or hostile file.
    except Exception as error:
        message = " ".join(str(error).split()) or type(error).__name__
        raise ValueError(f"is no pickle of arrays: {message}") from error


def _skip_header(file: BinaryIO) -> None:
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if shape != () or not dtype.hasobject:
        raise ValueError(f"holds an array of {dtype}{shape}, not one dictionary")

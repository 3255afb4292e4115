"""Reads the official SMPL pickles without running code from them.

A pickle is a program: it may name any function of any module and call it. Here every name becomes an inert stand-in, or
ends the reading; arrays are then made from what the stand-ins were told.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from annotators.smpl.stand_ins import Array, Buffered, Dtype, Encoded, Lazy, Scalar, Sparse, stand_in
from humove.errors import UserError

_DTYPE = re.compile(r"[iuf][1248]|b1|[SU]\d{1,4}")
_MOST_NUMBERS = 1 << 28
"""Of a sparse matrix made dense: 2 GB."""


class _Refused(pickle.UnpicklingError):
    pass


class _Unpickler(pickle._Unpickler):
    """Of the two that Python has the one written in Python: a file that numbers an object 4,000,000,000 makes the other
    one take memory for as many."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="latin1")
        self._made: dict[tuple[str, str], type] = {}

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in self._made:
            kind = stand_in(module, name)
            if kind is None:
                raise _Refused(f"it asks for {module}.{name}, which no SMPL file needs")
            self._made[module, name] = kind
        return self._made[module, name]


def read_pickle(path: Path) -> dict[str, np.ndarray]:
    """The arrays of an SMPL pickle by key, sparse ones dense, texts as numpy strings; what is no array is left out.

    Errors: UserError where the file is no pickle, holds no dictionary, or asks for anything but arrays.
    """
    try:
        with path.open("rb") as file:
            found = _Unpickler(file).load()
        if not isinstance(found, dict):
            raise _Refused(f"it holds a {type(found).__name__}, not a dictionary")
        return {str(key): array for key, value in found.items() if (array := _array(value)) is not None}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    # Whatever a broken or hostile file makes the reader raise, it is the file that is wrong.
    except Exception as error:
        said = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path}: not read as an SMPL pickle: {said}; download it again from where you got it"
        ) from error


def _array(value: Any) -> np.ndarray | None:
    """The array that a value stands for; None where it stands for none that is known."""
    if isinstance(value, Array):
        _, shape, dtype, fortran, content = value.state
        return _dense_array(content, dtype, shape, "F" if fortran else "C")
    if isinstance(value, Buffered):
        return _dense_array(*value.arguments)
    if isinstance(value, Scalar):
        return np.frombuffer(_bytes(value.arguments[1]), _dtype(value.arguments[0]), 1)[0]
    if isinstance(value, Sparse):
        return _dense_sparse(value)
    if isinstance(value, Lazy):
        return _evaluated(value)
    if isinstance(value, (str, bool, int, float)):
        return np.asarray(value)
    return None


def _dense_array(content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray | None:
    """None for arrays of Python objects."""
    if not isinstance(dtype, Dtype) or str(dtype.arguments[0]).startswith("O"):
        return None
    numbers = np.frombuffer(_bytes(content), _dtype(dtype))
    return numbers.reshape(_shape(shape), order="F" if order == "F" else "C").copy()


def _dtype(value: Dtype) -> np.dtype:
    code = str(value.arguments[0])
    order = str(value.state[1]) if value.state else "|"
    if not _DTYPE.fullmatch(code) or order not in "<>|=":
        raise _Refused(f"an array of type {order}{code}")
    return np.dtype(order + code)


def _bytes(content: Any) -> bytes:
    if isinstance(content, Encoded):
        content = content.arguments[0]
    return bytes(content) if isinstance(content, (bytes, bytearray)) else content.encode("latin1")


def _shape(value: Any) -> tuple[int, ...]:
    shape = tuple(int(size) for size in value)
    if any(size < 0 for size in shape):
        raise _Refused(f"an array of shape {shape}")
    return shape


def _dense_sparse(value: Sparse) -> np.ndarray:
    state = value.state
    rows, columns = _shape(state["_shape"] if "_shape" in state else state["shape"])
    if rows * columns > _MOST_NUMBERS:
        raise _Refused(f"a sparse matrix of {rows} x {columns}")
    data = _array(state["data"])
    if "indptr" in state:
        indices, starts = _array(state["indices"]), _array(state["indptr"])
        others = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        at = (others, indices) if value.kind.endswith("csr_matrix") else (indices, others)
    else:
        at = tuple(_array(x) for x in state["coords"]) if "coords" in state else (
            _array(state["row"]), _array(state["col"])
        )  # fmt: skip
    if min(x.min(initial=0) for x in at) < 0:
        raise _Refused("a sparse matrix with entries outside it")
    out = np.zeros((rows, columns), data.dtype)
    np.add.at(out, at, data)
    return out


def _evaluated(value: Lazy) -> np.ndarray | None:
    """chumpy's plain array (`x`), and its Select, as a slice of one is written; other expressions stay unread."""
    state = value.state if isinstance(value.state, dict) else {}
    name = value.kind.rpartition(".")[2]
    if name == "Ch" and "x" in state:
        return _array(state["x"])
    if name == "Select" and {"a", "idxs"} <= set(state):
        source, picked = _array(state["a"]), _array(state["idxs"])
        if source is None or picked is None:
            return None
        out = source.ravel()[picked]
        return out.reshape(_shape(state["preferred_shape"])) if "preferred_shape" in state else out
    return None

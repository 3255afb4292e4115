"""Read the official SMPL pickles without running code from them.

A pickle is a program: it may name any function of any module and call it. Here every name becomes an inert stand-in, or
an error; arrays are then made from the stand-ins' contents.
"""

import pickle
import re
from pathlib import Path
from typing import Any

import numpy as np

from annotators.smpl.stand_ins import (
    Array,
    BufferArray,
    Dtype,
    EncodedBytes,
    LazyArray,
    Scalar,
    SparseMatrix,
    get_stand_in,
)
from humove.errors import UserError

_DTYPE = re.compile(r"[iuf][1248]|b1|[SU]\d{1,4}")
_MAX_NUMBERS = 1 << 28
"""Limit of a sparse matrix made dense: 2 GB."""


class _RefusedPickle(pickle.UnpicklingError):
    pass


class _Unpickler(pickle._Unpickler):
    """Based on the unpickler written in Python: with the other one a file that numbers an object 4,000,000,000
    allocates memory for as many."""

    def __init__(self, file: Any) -> None:
        super().__init__(file, encoding="latin1")
        self._stand_ins: dict[tuple[str, str], type] = {}

    def find_class(self, module: str, name: str) -> type:
        if (module, name) not in self._stand_ins:
            kind = get_stand_in(module, name)
            if kind is None:
                raise _RefusedPickle(f"it refers to {module}.{name}, which no SMPL file needs")
            self._stand_ins[module, name] = kind
        return self._stand_ins[module, name]


def read_pickle(path: Path) -> dict[str, np.ndarray]:
    """Read the arrays of an SMPL pickle by key, sparse ones dense, texts as numpy strings; other values are left out.

    Errors: UserError if the file is no pickle, holds no dictionary, or refers to anything but arrays.
    """
    try:
        with path.open("rb") as file:
            found = _Unpickler(file).load()
        if not isinstance(found, dict):
            raise _RefusedPickle(f"it holds a {type(found).__name__}, not a dictionary")
        return {str(key): array for key, value in found.items() if (array := _make_array(value)) is not None}
    except OSError as error:
        raise UserError(f"{path} cannot be read: {error}") from error
    # Any exception of the reader means a broken or hostile file.
    except Exception as error:
        message = " ".join(str(error).split()) or type(error).__name__
        raise UserError(
            f"{path}: not read as an SMPL pickle: {message}; download it again from where you got it"
        ) from error


def _make_array(value: Any) -> np.ndarray | None:
    """Make the array of a value; None if its kind is not known."""
    if isinstance(value, Array):
        _, shape, dtype, fortran, content = value.state
        return _make_dense_array(content, dtype, shape, "F" if fortran else "C")
    if isinstance(value, BufferArray):
        return _make_dense_array(*value.arguments)
    if isinstance(value, Scalar):
        return np.frombuffer(_to_bytes(value.arguments[1]), _make_dtype(value.arguments[0]), 1)[0]
    if isinstance(value, SparseMatrix):
        return _densify_sparse(value)
    if isinstance(value, LazyArray):
        return _evaluate_lazy(value)
    if isinstance(value, (str, bool, int, float)):
        return np.asarray(value)
    return None


def _make_dense_array(content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray | None:
    """Make a dense array; None for arrays of Python objects."""
    if not isinstance(dtype, Dtype) or str(dtype.arguments[0]).startswith("O"):
        return None
    numbers = np.frombuffer(_to_bytes(content), _make_dtype(dtype))
    return numbers.reshape(_check_shape(shape), order="F" if order == "F" else "C").copy()


def _make_dtype(value: Dtype) -> np.dtype:
    code = str(value.arguments[0])
    order = str(value.state[1]) if value.state else "|"
    if not _DTYPE.fullmatch(code) or order not in "<>|=":
        raise _RefusedPickle(f"an array of type {order}{code}")
    return np.dtype(order + code)


def _to_bytes(content: Any) -> bytes:
    if isinstance(content, EncodedBytes):
        content = content.arguments[0]
    return bytes(content) if isinstance(content, (bytes, bytearray)) else content.encode("latin1")


def _check_shape(value: Any) -> tuple[int, ...]:
    shape = tuple(int(size) for size in value)
    if any(size < 0 for size in shape):
        raise _RefusedPickle(f"an array of shape {shape}")
    return shape


def _densify_sparse(value: SparseMatrix) -> np.ndarray:
    state = value.state
    rows, columns = _check_shape(state["_shape"] if "_shape" in state else state["shape"])
    if rows * columns > _MAX_NUMBERS:
        raise _RefusedPickle(f"a sparse matrix of {rows} x {columns}")
    data = _make_array(state["data"])
    if "indptr" in state:
        indices, starts = _make_array(state["indices"]), _make_array(state["indptr"])
        others = np.repeat(np.arange(len(starts) - 1), np.diff(starts))
        at = (others, indices) if value.kind.endswith("csr_matrix") else (indices, others)
    else:
        at = tuple(_make_array(x) for x in state["coords"]) if "coords" in state else (
            _make_array(state["row"]), _make_array(state["col"])
        )  # fmt: skip
    if min(x.min(initial=0) for x in at) < 0:
        raise _RefusedPickle("a sparse matrix with entries outside it")
    out = np.zeros((rows, columns), data.dtype)
    np.add.at(out, at, data)
    return out


def _evaluate_lazy(value: LazyArray) -> np.ndarray | None:
    """Evaluate chumpy's plain array (`x`) and its Select, a slice of one; None for other expressions."""
    state = value.state if isinstance(value.state, dict) else {}
    name = value.kind.rpartition(".")[2]
    if name == "Ch" and "x" in state:
        return _make_array(state["x"])
    if name == "Select" and {"a", "idxs"} <= set(state):
        source, picked = _make_array(state["a"]), _make_array(state["idxs"])
        if source is None or picked is None:
            return None
        out = source.ravel()[picked]
        return out.reshape(_check_shape(state["preferred_shape"])) if "preferred_shape" in state else out
    return None

"""Stand-ins for the classes that an SMPL pickle names. They store the pickle's arguments and state, nothing else.

The official files were pickled by Python 2: arrays of numpy, sparse matrices of scipy and lazy arrays of chumpy.
"""

from typing import Any


class StandIn:
    """An object of some class: its arguments and its state."""

    kind = ""
    """Module and name of the replaced class."""
    __slots__ = ("arguments", "state")

    def __new__(cls, *arguments: Any) -> "StandIn":
        instance = object.__new__(cls)
        instance.arguments, instance.state = arguments, None
        return instance

    def __init__(self, *arguments: Any) -> None:
        """Accept the arguments that __new__ stores."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Array(StandIn):
    """A numpy array: the state is (version, shape, dtype, Fortran order, bytes)."""

    __slots__ = ()


class BufferArray(StandIn):
    """A numpy array of newer pickles: arguments (bytes, dtype, shape, "C" or "F")."""

    __slots__ = ()


class Dtype(StandIn):
    """A numpy dtype: arguments (code, ...), state (version, byte order, ...)."""

    __slots__ = ()


class Scalar(StandIn):
    """A numpy scalar: arguments (dtype, bytes)."""

    __slots__ = ()


class SparseMatrix(StandIn):
    """A scipy sparse matrix: its attributes are the state."""

    __slots__ = ()


class LazyArray(StandIn):
    """A chumpy array, or an expression of arrays: its attributes are the state."""

    __slots__ = ()


class OpaqueClass(StandIn):
    """A class that is only passed on as an argument, such as `object`."""

    __slots__ = ()


class EncodedBytes(StandIn):
    """Bytes that Python 3 wrote for Python 2: arguments (text, "latin1")."""

    __slots__ = ()


class RebuiltObject(StandIn):
    """An object made by Python 2: arguments (class, its base, ...)."""

    def __new__(cls, *arguments: Any) -> StandIn:
        kind = arguments[0] if arguments else None
        if not (isinstance(kind, type) and issubclass(kind, StandIn)):
            raise ValueError(f"makes an object of {kind!r}")
        return StandIn.__new__(kind)


def get_stand_in(module: str, name: str) -> type | None:
    """Return the stand-in of a pickle's class or function, None for those that no SMPL file has."""
    found = _KNOWN.get((_PYTHON_2.get(module, module), name))
    if found is None and module.partition(".")[0] == "chumpy":
        found = LazyArray
    if found is None and module.startswith("scipy.sparse") and name in _SPARSE:
        found = SparseMatrix
    if found is None or found in (set, dict):
        return found
    # A separate class for each file, so that no file can change another one's.
    return type(found.__name__, (found,), {"__slots__": (), "kind": f"{module}.{name}"})


_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_SPARSE = ("csc_matrix", "csr_matrix", "coo_matrix")
_KNOWN: dict[tuple[str, str], type] = (
    {
        ("numpy", "ndarray"): OpaqueClass,
        ("numpy", "dtype"): Dtype,
        ("builtins", "object"): OpaqueClass,
        ("builtins", "set"): set,
        ("collections", "OrderedDict"): dict,
        ("copyreg", "_reconstructor"): RebuiltObject,
        ("_codecs", "encode"): EncodedBytes,
    }
    | {
        (f"numpy.{core}.multiarray", name): kind
        for core in ("core", "_core")
        for name, kind in (("_reconstruct", Array), ("scalar", Scalar))
    }
    | {(f"numpy.{core}.numeric", "_frombuffer"): BufferArray for core in ("core", "_core")}
)

"""What stands in for the classes that an SMPL pickle names. Each keeps what the pickle says, and does nothing with it.

The official files were pickled by Python 2: arrays of numpy, sparse matrices of scipy and lazy arrays of chumpy.
"""

from typing import Any


class StandIn:
    """An object of some class, as its arguments and its state."""

    kind = ""
    """Module and name of the class that it stands in for."""
    __slots__ = ("arguments", "state")

    def __new__(cls, *arguments: Any) -> "StandIn":
        made = object.__new__(cls)
        made.arguments, made.state = arguments, None
        return made

    def __init__(self, *arguments: Any) -> None:
        """Takes what __new__ has kept."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class Array(StandIn):
    """numpy's array: the state is (version, shape, dtype, Fortran order, bytes)."""

    __slots__ = ()


class Buffered(StandIn):
    """numpy's array as newer pickles hold it: arguments (bytes, dtype, shape, "C" or "F")."""

    __slots__ = ()


class Dtype(StandIn):
    """numpy's dtype: arguments (code, ...), state (version, byte order, ...)."""

    __slots__ = ()


class Scalar(StandIn):
    """numpy's scalar: arguments (dtype, bytes)."""

    __slots__ = ()


class Sparse(StandIn):
    """scipy's sparse matrix: its attributes are the state."""

    __slots__ = ()


class Lazy(StandIn):
    """chumpy's array, or an expression over such: its attributes are the state."""

    __slots__ = ()


class Other(StandIn):
    """A class that is only passed on as an argument, such as `object`."""

    __slots__ = ()


class Encoded(StandIn):
    """Python 3's way to write bytes so that Python 2 can read them: arguments (text, "latin1")."""

    __slots__ = ()


class Rebuilt(StandIn):
    """Python 2's way to make an object of a class: arguments (class, its base, ...)."""

    def __new__(cls, *arguments: Any) -> StandIn:
        made = arguments[0] if arguments else None
        if not (isinstance(made, type) and issubclass(made, StandIn)):
            raise ValueError(f"makes an object of {made!r}")
        return StandIn.__new__(made)


def stand_in(module: str, name: str) -> type | None:
    """The class that stands in for a class or function of a pickle, None for those that no SMPL file has."""
    found = _KNOWN.get((_PYTHON_2.get(module, module), name))
    if found is None and module.partition(".")[0] == "chumpy":
        found = Lazy
    if found is None and module.startswith("scipy.sparse") and name in _SPARSE:
        found = Sparse
    if found is None or found in (set, dict):
        return found
    # A class of its own for each file, so that no file can write on what another one gets.
    return type(found.__name__, (found,), {"__slots__": (), "kind": f"{module}.{name}"})


_PYTHON_2 = {"__builtin__": "builtins", "copy_reg": "copyreg"}
_SPARSE = ("csc_matrix", "csr_matrix", "coo_matrix")
_KNOWN: dict[tuple[str, str], type] = (
    {
        ("numpy", "ndarray"): Other,
        ("numpy", "dtype"): Dtype,
        ("builtins", "object"): Other,
        ("builtins", "set"): set,
        ("collections", "OrderedDict"): dict,
        ("copyreg", "_reconstructor"): Rebuilt,
        ("_codecs", "encode"): Encoded,
    }
    | {
        (f"numpy.{core}.multiarray", name): kind
        for core in ("core", "_core")
        for name, kind in (("_reconstruct", Array), ("scalar", Scalar))
    }
    | {(f"numpy.{core}.numeric", "_frombuffer"): Buffered for core in ("core", "_core")}
)

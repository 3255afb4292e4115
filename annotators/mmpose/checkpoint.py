"""Read the tensors of an mmpose checkpoint without running code from the file.

A .pth is a pickle. Those of mmengine hold, beside the tensors, the training's log and the data set's description, whose
classes torch's own `weights_only` refuses; they are not needed here. So the file is read by an unpickler that allows
tensors and plain containers, and replaces everything else by an empty object.
"""

import collections
import pickle
from pathlib import Path
from typing import Any

import torch

from humove.errors import UserError

_TENSORS = {("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter")}
_DAMAGED = (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, AttributeError, TypeError, KeyError)
"""Raised by torch for files of another kind and truncated ones."""
_PLAIN = {("collections", "OrderedDict"): collections.OrderedDict}


class Ignored:
    """Placeholder of an object whose class is not imported."""

    def __new__(cls, *_: Any, **__: Any) -> "Ignored":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Discard the content."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """Discard the content."""

    def append(self, value: Any) -> None:
        """Discard the content."""

    def extend(self, values: Any) -> None:
        """Discard the content."""


class _Unpickler(pickle.Unpickler):
    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in _PLAIN:
            return _PLAIN[module, name]
        known = (module, name) in _TENSORS or (module == "torch" and name in _STORAGES)
        return super().find_class(module, name) if known else Ignored


_STORAGES = {
    f"{kind}Storage" for kind in ("Float", "Half", "BFloat16", "Double", "Long", "Int", "Short", "Byte", "Bool")
}


class _OnlyTensors:
    """Replacement of the pickle module in torch.load."""

    __name__ = "only_tensors"
    Unpickler = _Unpickler

    @staticmethod
    def load(file: Any, **arguments: Any) -> Any:
        return _Unpickler(file, **arguments).load()


def read_tensors(path: Path, what: str) -> dict[str, torch.Tensor]:
    """Read the tensors of a checkpoint by name, on the CPU. `what` is the setting's name.

    Errors: UserError if the file is no checkpoint, or holds no tensors.
    """
    try:
        # weights_only would refuse the rest of the file; the unpickler above is as strict.
        read = torch.load(path, map_location="cpu", pickle_module=_OnlyTensors, weights_only=False)
    except _DAMAGED as error:
        message = str(error).strip().partition("\n")[0]
        raise UserError(f"{what}: {path} is no torch checkpoint ({message}); name an mmpose .pth") from error
    state = read.get("state_dict", read) if isinstance(read, dict) else {}
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise UserError(f"{what}: {path} holds no state_dict with tensors; name an mmpose .pth")
    return tensors

"""The tensors of an mmpose checkpoint, read without running anything that the file says.

A .pth is a pickle. Those of mmengine hold, beside the tensors, the training's log and the data set's description, whose
classes torch's own `weights_only` refuses; they are of no use here. So the file is read by an unpickler that knows
tensors and plain containers, and puts an empty object in the place of everything else.
"""

import collections
import pickle
from pathlib import Path
from typing import Any

import torch

from humove.errors import UserError

_TENSORS = {("torch._utils", "_rebuild_tensor_v2"), ("torch._utils", "_rebuild_parameter")}
_DAMAGED = (pickle.UnpicklingError, RuntimeError, OSError, EOFError, ValueError, AttributeError, TypeError, KeyError)
"""What torch raises over a file of another kind, or half of one."""
_PLAIN = {("collections", "OrderedDict"): collections.OrderedDict}


class Ignored:
    """Stands for an object whose class is not looked up."""

    def __new__(cls, *_: Any, **__: Any) -> "Ignored":
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        """Its content goes nowhere."""

    def __setitem__(self, key: Any, value: Any) -> None:
        """As above."""

    def append(self, value: Any) -> None:
        """As above."""

    def extend(self, values: Any) -> None:
        """As above."""


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
    """What torch.load takes in place of the pickle module."""

    __name__ = "only_tensors"
    Unpickler = _Unpickler

    @staticmethod
    def load(file: Any, **arguments: Any) -> Any:
        return _Unpickler(file, **arguments).load()


def read_tensors(path: Path, what: str) -> dict[str, torch.Tensor]:
    """The tensors of a checkpoint by name, on the CPU. `what` is the setting's name.

    Errors: UserError where the file is no checkpoint, or holds no tensors.
    """
    try:
        # weights_only would refuse the rest of the file; the unpickler above is as strict.
        read = torch.load(path, map_location="cpu", pickle_module=_OnlyTensors, weights_only=False)
    except _DAMAGED as error:
        said = str(error).strip().partition("\n")[0]
        raise UserError(f"{what}: {path} is no checkpoint of torch's ({said}); name an mmpose .pth") from error
    state = read.get("state_dict", read) if isinstance(read, dict) else {}
    tensors = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
    if not tensors:
        raise UserError(f"{what}: {path} holds no state_dict with tensors; name an mmpose .pth")
    return tensors

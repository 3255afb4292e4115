"""Import mmpose's modules on mmcv-lite and without mmdet, without files in the user's home.

mmpose imports heads that RTMPose does not use, and they import compiled operators of mmcv and two names of mmdet. If
these are not installed, empty modules replace them during the import and are removed afterwards. Its imports for
drawing and printing keep caches, which are moved to the Python environment.
"""

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import ModuleType
from typing import Any

_STAND_INS = {
    "mmcv._ext": {"mmcv.ops": ("MultiScaleDeformableAttention", "DeformConv2d")},
    "mmdet": {"mmdet": (), "mmdet.utils": ("ConfigType", "reduce_mean")},
}
"""Module -> the modules that its absence breaks, and the names that mmpose imports from them."""
_CACHES = {"MPLCONFIGDIR": "matplotlib", "XDG_CACHE_HOME": "cache"}
"""Environment variables for the caches of matplotlib and yapf -> their folders."""


@contextmanager
def make_mmpose_importable() -> Iterator[None]:
    """Make `import mmpose.models` work without compiled operators and without mmdet."""
    # Must be first: looking for mmcv._ext imports mmcv.
    folder = Path(sys.prefix) / "share" / "humove" / "cache"
    moved = {name: str(folder / part) for name, part in _CACHES.items() if name not in os.environ}
    os.environ.update(moved)
    added: list[str] = []
    for needed, modules in _STAND_INS.items():
        if find_spec(needed) is not None:
            continue
        for name, members in modules.items():
            module = ModuleType(name)
            module.__dict__.update(dict.fromkeys(members, Any))
            sys.modules[name] = module
            added.append(name)
    try:
        yield
    finally:
        for name in added:
            sys.modules.pop(name, None)
        for name in moved:
            del os.environ[name]

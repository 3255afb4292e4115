"""mmpose's own modules, on mmcv-lite and without mmdet, imported without a trace in the user's home.

mmpose imports heads that RTMPose does not use, and they import compiled operators of mmcv and two names of mmdet. Where
these are not installed empty modules stand in for them while mmpose is imported, and are taken away afterwards. What it
imports for drawing and for printing keeps caches; they go into the environment instead.
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
"""What is looked for -> the modules that its absence breaks, and the names that mmpose takes from them."""
_CACHES = {"MPLCONFIGDIR": "matplotlib", "XDG_CACHE_HOME": "cache"}
"""Variables by which matplotlib and yapf find their caches -> folders for them."""


@contextmanager
def mmpose_importable() -> Iterator[None]:
    """Within it `import mmpose.models` works without compiled operators and without mmdet."""
    # First of all: to look for mmcv._ext imports mmcv.
    folder = Path(sys.prefix) / "share" / "humove" / "cache"
    moved = {name: str(folder / part) for name, part in _CACHES.items() if name not in os.environ}
    os.environ.update(moved)
    put: list[str] = []
    for needed, modules in _STAND_INS.items():
        if find_spec(needed) is not None:
            continue
        for name, members in modules.items():
            module = ModuleType(name)
            module.__dict__.update(dict.fromkeys(members, Any))
            sys.modules[name] = module
            put.append(name)
    try:
        yield
    finally:
        for name in put:
            sys.modules.pop(name, None)
        for name in moved:
            del os.environ[name]

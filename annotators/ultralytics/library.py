"""The ultralytics library, imported without what it does on the side.

By itself it asks two hosts whether the network is there, counts its uses at a third, installs by pip what it misses,
and keeps a settings file in the user's home. Its own variables turn that off; it reads them when it is imported.
"""

import importlib
import os
import sys
import tempfile
from types import ModuleType

from humove.errors import UserError

_QUIET = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


def library() -> ModuleType:
    """The module. UserError where it, or the assignment solver that its trackers need, is not installed."""
    if "ultralytics" in sys.modules:
        return sys.modules["ultralytics"]
    before = os.environ.copy()
    # Its settings are written on import, and kept in memory from then on.
    with tempfile.TemporaryDirectory(prefix="humove-yolo-") as folder:
        os.environ.update(_QUIET, YOLO_CONFIG_DIR=folder)
        try:
            importlib.import_module("lap")
            found = importlib.import_module("ultralytics")
            importlib.import_module("ultralytics.trackers")
        except ModuleNotFoundError as error:
            raise UserError(f"track.annotator ultralytics: no module {error.name!r}: make setup EXTRAS=yolo") from error
        finally:
            del os.environ["YOLO_CONFIG_DIR"]
            if "YOLO_CONFIG_DIR" in before:
                os.environ["YOLO_CONFIG_DIR"] = before["YOLO_CONFIG_DIR"]
    return found

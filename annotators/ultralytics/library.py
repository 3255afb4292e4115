"""The ultralytics library, imported without its side effects.

By default it contacts two hosts to check the network, reports its use to a third, installs missing packages by pip,
and keeps a settings file in the user's home. Environment variables turn that off; they are read on import.
"""

import importlib
import os
import sys
import tempfile
from types import ModuleType

from humove.errors import UserError

_QUIET = {"YOLO_OFFLINE": "true", "YOLO_AUTOINSTALL": "false", "YOLO_VERBOSE": "false"}


def import_ultralytics() -> ModuleType:
    """Import the library. UserError if it, or the assignment solver of its trackers, is not installed."""
    if "ultralytics" in sys.modules:
        return sys.modules["ultralytics"]
    before = os.environ.copy()
    # Its settings are written on import, and stay in memory afterwards.
    with tempfile.TemporaryDirectory(prefix="humove-yolo-") as folder:
        os.environ.update(_QUIET, YOLO_CONFIG_DIR=folder)
        try:
            importlib.import_module("lap")
            library = importlib.import_module("ultralytics")
            importlib.import_module("ultralytics.trackers")
        except ModuleNotFoundError as error:
            raise UserError(f"track.annotator ultralytics: no module {error.name!r}: make setup EXTRAS=yolo") from error
        finally:
            del os.environ["YOLO_CONFIG_DIR"]
            if "YOLO_CONFIG_DIR" in before:
                os.environ["YOLO_CONFIG_DIR"] = before["YOLO_CONFIG_DIR"]
    return library

"""An RTMPose in ONNX on a device, run on batches of crops."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from annotators.network import Columns
from annotators.rtmlib.config import RtmlibConfig
from humove.errors import UserError

if TYPE_CHECKING:
    import onnxruntime

BINS_PER_PIXEL = 2.0
SKELETONS = {17: "coco_17", 133: "coco_wholebody_133"}
_SETTING = "pose2d.rtmlib.weights"
_CPU_REMEDY = "remove pose2d from execution.gpus"


class OnnxNetwork:
    """(B, 3, H, W) float32 crops, normalised by rtmlib -> SimCC scores (B, K, bins of x) and (B, K, bins of y)."""

    def __init__(self, settings: RtmlibConfig) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size

    def load(self, device: str) -> None:
        """Read the file. UserError if it is missing, no RTMPose, or of another skeleton."""
        path = self.settings.weights.resolve_file(_SETTING)
        self._what = f"{_SETTING}: {path}"
        self._session = _open_session(path, device, self._what)
        self._size, self._largest = self._read_input_size()
        self._points = self._count_keypoints()

    def constants(self) -> dict[str, np.ndarray]:
        """`size`: width and height of a crop, px; `keypoints`: their number."""
        return {"size": np.array(self._size, np.int64), "keypoints": np.array(self._points, np.int64)}

    def run(self, inputs: Columns) -> Columns:
        (crops,) = inputs
        parts = [self._run_heads(crops[k : k + self._largest]) for k in range(0, len(crops), self._largest)]
        x, y = (np.concatenate(axis) for axis in zip(*parts, strict=True))
        return x, y

    def _run_heads(self, crops: np.ndarray) -> list[np.ndarray]:
        return self._session.run(None, {self._session.get_inputs()[0].name: crops})

    def _read_input_size(self) -> tuple[tuple[int, int], int]:
        """Read width and height, px, and the largest batch: files are often exported for one image."""
        shape = self._session.get_inputs()[0].shape
        if len(self._session.get_inputs()) != 1 or len(shape) != 4 or shape[1] != 3 or isinstance(shape[2], str):
            raise UserError(f"{self._what} takes {shape}, not images of one size: name an RTMPose or DWPose in ONNX")
        return (shape[3], shape[2]), 1 if shape[0] == 1 else 1 << 30

    def _count_keypoints(self) -> int:
        """Count the keypoints by running the network on a black image."""
        width, height = self._size
        heads = self._run_heads(np.zeros((1, 3, height, width), np.float32))
        sides = [int(side * BINS_PER_PIXEL) for side in (width, height)]
        shapes = [list(np.shape(part)) for part in heads]
        if len(shapes) != 2 or any(len(s) != 3 for s in shapes) or [s[2] for s in shapes] != sides:
            raise UserError(f"{self._what} gives {shapes}, not an x and a y: name an RTMPose or DWPose in ONNX")
        points = shapes[0][1]
        if points not in SKELETONS:
            raise UserError(f"{self._what} gives {points} keypoints; known are 17 (body) and 133 (whole body)")
        return points


def _open_session(path: Path, device: str, what: str) -> "onnxruntime.InferenceSession":
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    provider = "CPUExecutionProvider" if device == "cpu" else "CUDAExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise UserError(f"{what}: this onnxruntime has no GPU: install onnxruntime-gpu, or {_CPU_REMEDY}")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # onnxruntime's errors derive from Exception alone
        message = " ".join(str(error).split())
        raise UserError(f"{what} cannot be read as ONNX: {message}") from error
    if session.get_providers()[0] != provider:
        raise UserError(f"{what}: onnxruntime cannot use the GPU here: fix what it reports, or {_CPU_REMEDY}")
    return session

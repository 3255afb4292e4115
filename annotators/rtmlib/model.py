"""An RTMPose in ONNX: rtmlib's steps before and after the network, which is run on many frames at once."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from rtmlib import RTMPose

from annotators.topdown import Points
from humove.errors import UserError

_SKELETONS = {17: "coco_17", 133: "coco_wholebody_133"}
_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""rtmlib's own, in the order red, green, blue."""
_BINS_PER_PIXEL = 2.0
_ON_CPU = "take pose2d out of execution.gpus"


class OnnxPose(RTMPose):
    """rtmlib's RTMPose on a session of our own.

    rtmlib's constructor would fetch a file that is not there, take every core, and go on without a word on the CPU
    where a GPU was asked for; and its call sees one box at a time.
    """

    def __init__(self, path: Path, device: str, what: str) -> None:
        self._what = f"{what}: {path}"
        self.session = _session(path, device, self._what)
        self.model_input_size, self._largest = self._input()
        self.mean, self.std, self.to_openpose = _MEAN, _STD, False
        self.backend, self.device, self.onnx_model = "onnxruntime", device, str(path)
        self.skeleton = self._skeleton()

    def run(self, frames: Sequence[np.ndarray], boxes: np.ndarray) -> list[Points]:
        """One person in each frame; see `annotators.topdown.Run`.

        rtmlib's examples hand BGR pictures to means of RGB; the networks were trained on RGB, and get it here.
        """
        ready = [self.preprocess(rgb, box) for rgb, box in zip(frames, boxes, strict=True)]
        pictures = np.stack([picture.transpose(2, 0, 1) for picture, _, _ in ready]).astype(np.float32)
        parts = [self._heads(pictures[k : k + self._largest]) for k in range(0, len(pictures), self._largest)]
        x, y = (np.concatenate(axis) for axis in zip(*parts, strict=True))
        found = []
        for row, (_, centre, scale) in enumerate(ready):
            points, scores = self.postprocess((x[row : row + 1], y[row : row + 1]), centre, scale, _BINS_PER_PIXEL)
            found.append((points[0], scores[0]))
        return found

    def _heads(self, pictures: np.ndarray) -> list[np.ndarray]:
        return self.session.run(None, {self.session.get_inputs()[0].name: pictures})

    def _input(self) -> tuple[tuple[int, int], int]:
        """Width and height, px, and how many pictures go in at once: files are often exported for one."""
        shape = self.session.get_inputs()[0].shape
        if len(self.session.get_inputs()) != 1 or len(shape) != 4 or shape[1] != 3 or isinstance(shape[2], str):
            raise UserError(f"{self._what} takes {shape}, not pictures of one size: name an RTMPose or DWPose in ONNX")
        return (shape[3], shape[2]), 1 if shape[0] == 1 else 1 << 30

    def _skeleton(self) -> str:
        """Known by what the network says of a black picture."""
        width, height = self.model_input_size
        said = self._heads(np.zeros((1, 3, height, width), np.float32))
        sides = [int(side * _BINS_PER_PIXEL) for side in (width, height)]
        shapes = [list(np.shape(part)) for part in said]
        if len(shapes) != 2 or any(len(s) != 3 for s in shapes) or [s[2] for s in shapes] != sides:
            raise UserError(f"{self._what} gives {shapes}, not an x and a y: name an RTMPose or DWPose in ONNX")
        points = shapes[0][1]
        if points not in _SKELETONS:
            raise UserError(f"{self._what} gives {points} keypoints; known are 17 (body) and 133 (whole body)")
        return _SKELETONS[points]


def _session(path: Path, device: str, what: str) -> onnxruntime.InferenceSession:
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 3
    provider = "CPUExecutionProvider" if device == "cpu" else "CUDAExecutionProvider"
    if provider not in onnxruntime.get_available_providers():
        raise UserError(f"{what}: this onnxruntime has no GPU: install onnxruntime-gpu, or {_ON_CPU}")
    try:
        session = onnxruntime.InferenceSession(str(path), options, providers=[provider])
    except Exception as error:  # onnxruntime's own derive from Exception alone
        said = " ".join(str(error).split())
        raise UserError(f"{what} cannot be read as ONNX: {said}") from error
    if session.get_providers()[0] != provider:
        raise UserError(f"{what}: onnxruntime cannot use the GPU here: mend what it says, or {_ON_CPU}")
    return session

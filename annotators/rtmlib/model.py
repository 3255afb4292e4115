"""rtmlib's steps before and after an RTMPose in ONNX."""

from collections.abc import Sequence

import numpy as np
from rtmlib import RTMPose

from annotators.network import Network
from annotators.rtmlib.network import BINS_PER_PIXEL, SKELETONS
from annotators.topdown import Points

_MEAN, _STD = (123.675, 116.28, 103.53), (58.395, 57.12, 57.375)
"""rtmlib's values, in the order red, green, blue."""


class OnnxPose(RTMPose):
    """rtmlib's RTMPose on a separate network object.

    rtmlib's constructor would download a missing file, use every core, and silently fall back from the GPU to the CPU;
    and its call handles one box at a time.
    """

    def __init__(self, network: Network) -> None:
        """`network` is a loaded OnnxNetwork, or a client of one."""
        constants = network.constants()
        self._network = network
        width, height = constants["size"].tolist()
        self.model_input_size = (width, height)
        self.mean, self.std, self.to_openpose = _MEAN, _STD, False
        self.skeleton = SKELETONS[int(constants["keypoints"])]

    def run(self, frames: Sequence[np.ndarray], boxes: np.ndarray) -> list[Points]:
        """Run on one person in each frame; see `annotators.topdown.RunModel`.

        rtmlib's examples apply RGB means to BGR images; the networks were trained on RGB, and get it here.
        """
        ready = [self.preprocess(rgb, box) for rgb, box in zip(frames, boxes, strict=True)]
        crops = np.stack([crop.transpose(2, 0, 1) for crop, _, _ in ready]).astype(np.float32)
        x, y = self._network.run((crops,))
        found = []
        for row, (_, centre, scale) in enumerate(ready):
            points, scores = self.postprocess((x[row : row + 1], y[row : row + 1]), centre, scale, BINS_PER_PIXEL)
            found.append((points[0], scores[0]))
        return found

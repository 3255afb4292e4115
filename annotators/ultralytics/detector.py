"""Who is in a frame, and where: the steps before and after a YOLO of the user's."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotators.network import Network
from annotators.ultralytics.library import library

_LEGS = (13, 14, 15, 16)
"""Knees and ankles among COCO's 17 points."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Finds:
    """The people in one picture, P of them, surest first."""

    boxes_xyxy: np.ndarray
    """(P, 4) float32 px of the picture, cut at its edge."""
    scores: np.ndarray
    """(P,) float32 0..1."""
    legs: np.ndarray | None
    """(P,) float32 0..1: how visible knees and ankles are, one outside the picture counts as 0; None where the model
    has no keypoints."""


class Detector:
    """Letterboxes frames as the library does, runs the network, and moves what it finds to the frame's pixels."""

    def __init__(self, network: Network) -> None:
        """`network` is a loaded YoloNetwork, or a client of one."""
        library()
        from ultralytics.data.augment import LetterBox

        constants = network.constants()
        self._network = network
        self._letterbox = LetterBox(constants["image_size"].tolist(), auto=True, stride=int(constants["stride"]))
        self._posed = bool(constants["posed"])

    def find(self, frames: Sequence[np.ndarray]) -> list[Finds]:
        """Everyone in each (H, W, 3) uint8 RGB frame, all of one size; all in one pass through the model."""
        boxed = np.stack([self._letterbox(image=np.ascontiguousarray(frame[..., ::-1])) for frame in frames])
        (found,) = self._network.run((boxed,))
        size = boxed.shape[1:3]
        return [self._in_frame(rows, size, frame.shape) for rows, frame in zip(found, frames, strict=True)]

    def _in_frame(self, rows: np.ndarray, size: tuple[int, int], shape: tuple[int, ...]) -> Finds:
        import torch
        from ultralytics.utils import ops

        finds = torch.from_numpy(rows.copy())  # the library's functions work in place
        boxes = ops.scale_boxes(size, finds[:, :4], shape)
        legs = None
        if self._posed:
            points = ops.scale_coords(size, finds[:, 6:].view(len(finds), 17, 3), shape).numpy()[:, _LEGS]
            # The library moves points outside the picture to its edge.
            inside = ((points[..., :2] > 0) & (points[..., :2] < [shape[1], shape[0]])).all(axis=-1)
            legs = (points[..., 2] * inside).mean(axis=1).astype(np.float32)
        return Finds(boxes_xyxy=boxes.numpy(), scores=finds[:, 4].numpy(), legs=legs)

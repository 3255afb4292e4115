"""People in a frame: the steps before and after the user's YOLO model."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from annotators.network import Network
from annotators.ultralytics.library import import_ultralytics

_LEGS = (13, 14, 15, 16)
"""Knees and ankles among COCO's 17 points."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Detections:
    """The P people detected in one frame, highest score first."""

    boxes_xyxy: np.ndarray
    """(P, 4) float32 px of the frame, clipped to it."""
    scores: np.ndarray
    """(P,) float32 0..1."""
    legs: np.ndarray | None
    """(P,) float32 0..1: mean visibility of knees and ankles, 0 for those outside the frame; None if the model has no
    keypoints."""


class YoloDetector:
    """YOLO detector: letterboxes frames as the library does, runs the network, maps its output to the frame."""

    def __init__(self, network: Network) -> None:
        """`network` is a loaded YoloNetwork, or a client of one."""
        import_ultralytics()
        from ultralytics.data.augment import LetterBox

        constants = network.constants()
        self._network = network
        self._letterbox = LetterBox(constants["image_size"].tolist(), auto=True, stride=int(constants["stride"]))
        self._has_keypoints = bool(constants["posed"])

    def detect(self, frames: Sequence[np.ndarray]) -> list[Detections]:
        """Detect all people in each (H, W, 3) uint8 RGB frame, all of one size, in one pass through the model."""
        boxed = np.stack([self._letterbox(image=np.ascontiguousarray(frame[..., ::-1])) for frame in frames])
        (found,) = self._network.run((boxed,))
        size = boxed.shape[1:3]
        return [self._map_to_frame(rows, size, frame.shape) for rows, frame in zip(found, frames, strict=True)]

    def _map_to_frame(self, rows: np.ndarray, size: tuple[int, int], shape: tuple[int, ...]) -> Detections:
        import torch
        from ultralytics.utils import ops

        detections = torch.from_numpy(rows.copy())  # the library's functions work in place
        boxes = ops.scale_boxes(size, detections[:, :4], shape)
        legs = None
        if self._has_keypoints:
            points = ops.scale_coords(size, detections[:, 6:].view(len(detections), 17, 3), shape).numpy()[:, _LEGS]
            # The library clips points to the frame.
            inside = ((points[..., :2] > 0) & (points[..., :2] < [shape[1], shape[0]])).all(axis=-1)
            legs = (points[..., 2] * inside).mean(axis=1).astype(np.float32)
        return Detections(boxes_xyxy=boxes.numpy(), scores=detections[:, 4].numpy(), legs=legs)

"""A YOLO of the user's: who is in a picture, and where."""

import pickle
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from annotators.ultralytics.config import UltralyticsConfig
from annotators.ultralytics.library import library
from humove.errors import UserError

TASKS = ("detect", "pose", "segment")
_COCO_POSE = (17, 3)
_LEGS = (13, 14, 15, 16)
"""Knees and ankles among COCO's 17 points."""
_FAINT = 0.1
"""Finds from here on go to the trackers: their second round matches faint ones to people already known."""
_UNREADABLE = (TypeError, RuntimeError, AttributeError, KeyError, ImportError, EOFError, pickle.UnpicklingError)
"""What the library raises on files that are no model of its own, by what is wrong with them."""


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
    """The model, loaded, on its device.

    A .pt holds pickled modules. It is first read by the library's restricted way, which rebuilds its own layers and
    torch's and refuses all else, so that no file runs code. Of a segment model the boxes are used.
    Errors: UserError where the file is no model that finds people, or half precision is asked for without a GPU.
    """

    def __init__(self, path: Path, config: UltralyticsConfig, device: str) -> None:
        if config.half and not device.startswith("cuda"):
            raise UserError(
                "track.ultralytics.half needs a GPU: leave it out, or give the step one: execution.gpus={track: 1}"
            )
        if path.suffix != ".pt":
            raise UserError(f"track.ultralytics.weights: {path} is no .pt of ultralytics")
        yolo = library().YOLO
        from ultralytics.nn.tasks import torch_safe_load

        try:
            torch_safe_load(str(path.resolve()), safe_only=True)
            self._model = yolo(str(path.resolve()))
            self._person = _person_class(path, self._model.task, self._model.names, self._model.model.model[-1])
        except _UNREADABLE as error:
            said = " ".join(str(error).split()).removeprefix("ERROR ❌️ ").removeprefix(f"{path.resolve()} ")[:160]
            raise UserError(f"track.ultralytics.weights: {path} is no .pt of ultralytics: {said}") from error
        self._posed = self._model.task == "pose"
        self._settings: dict[str, Any] = {
            "imgsz": config.image_size,
            "conf": _FAINT,
            "classes": [self._person],
            "quantize": 16 if config.half else None,
            "device": device,
            "save": False,
            "verbose": False,
        }

    def find(self, pictures: Sequence[np.ndarray]) -> list[Finds]:
        """Everyone in each (H, W, 3) uint8 RGB picture; all in one pass through the model."""
        bgr = [np.ascontiguousarray(picture[..., ::-1]) for picture in pictures]
        return [self._finds(result) for result in self._model.predict(bgr, **self._settings)]

    def _finds(self, result: Any) -> Finds:
        boxes = result.boxes.cpu().numpy()
        legs = None
        if self._posed:
            height, width = result.orig_shape
            points = result.keypoints.data.float().cpu().numpy()[:, _LEGS]
            # The library moves points outside the picture to its edge.
            inside = ((points[..., :2] > 0) & (points[..., :2] < [width, height])).all(axis=-1)
            legs = (points[..., 2] * inside).mean(axis=1).astype(np.float32)
        return Finds(boxes_xyxy=boxes.xyxy.astype(np.float32), scores=boxes.conf.astype(np.float32), legs=legs)


def _person_class(path: Path, task: str, names: dict[int, str], head: Any) -> int:
    """The number of the model's class `person`. UserError for a model that this annotator can't use."""
    where = f"track.ultralytics.weights: {path}"
    if task not in TASKS:
        raise UserError(f"{where} is a {task} model; one of these is needed: {', '.join(TASKS)}")
    if len(names) != head.nc:
        raise UserError(f"{where} names {len(names)} classes and has {head.nc}: take the file that training wrote")
    number = next((number for number, name in names.items() if str(name).lower() == "person"), None)
    if number is None:
        raise UserError(f"{where} has no class 'person' among its {len(names)}: {_some(list(names.values()))}")
    if task == "pose" and tuple(head.kpt_shape) != _COCO_POSE:
        points = " x ".join(map(str, head.kpt_shape))
        raise UserError(f"{where} has keypoints of {points}; a pose model needs COCO's, 17 x 3")
    return int(number)


def _some(names: list[str]) -> str:
    return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")

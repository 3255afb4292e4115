"""The user's YOLO model on a device: letterboxed frames in, detections in their pixels out."""

import pickle
from pathlib import Path
from typing import Any

import numpy as np

from annotators.network import Columns, make_ragged_column
from annotators.ultralytics.config import UltralyticsConfig
from annotators.ultralytics.library import import_ultralytics
from humove.errors import UserError

TASKS = ("detect", "pose", "segment")
_COCO_POSE = (17, 3)
_MIN_SCORE = 0.1
"""Score from which detections go to the trackers: a second round matches low ones to people already tracked."""
_UNREADABLE = (TypeError, RuntimeError, AttributeError, KeyError, ImportError, EOFError, pickle.UnpicklingError)
"""Raised by the library for files that are not its models."""


class YoloNetwork:
    """(B, h, w, 3) uint8 BGR frames, letterboxed by the library -> one ragged column of (n, 6 or 6 + 51) float32: box
    xyxy px of the letterboxed frame, score, class, and a pose model's keypoints.

    Includes non-maximum suppression: it runs on the device, and without it a frame would have 8,400 rows.
    """

    def __init__(self, settings: UltralyticsConfig) -> None:
        self.settings = settings
        self.batch_size = settings.batch

    def load(self, device: str) -> None:
        """Read the user's file.

        A .pt holds pickled modules. It is first read by the library's restricted loader, which rebuilds its own layers
        and torch's and refuses all else, so that no file runs code. Of a segment model the boxes are used.
        Errors: UserError if the file is no model that detects people, or half precision is set without a GPU.
        """
        path = self.settings.weights.resolve_file("track.ultralytics.weights")
        if self.settings.half and not device.startswith("cuda"):
            raise UserError("track.ultralytics.half needs a GPU: remove it, or assign one: execution.gpus={track: 1}")
        if path.suffix != ".pt":
            raise UserError(f"track.ultralytics.weights: {path} is no .pt of ultralytics")
        yolo = import_ultralytics().YOLO
        from ultralytics.nn.tasks import torch_safe_load

        try:
            torch_safe_load(str(path.resolve()), safe_only=True)
            self._model = yolo(str(path.resolve()))
            person = find_person_class(path, self._model.task, self._model.names, self._model.model.model[-1])
        except _UNREADABLE as error:
            message = " ".join(str(error).split()).removeprefix("ERROR ❌️ ").removeprefix(f"{path.resolve()} ")[:160]
            raise UserError(f"track.ultralytics.weights: {path} is no .pt of ultralytics: {message}") from error
        self._arguments: dict[str, Any] = {
            "imgsz": self.settings.image_size,
            "conf": _MIN_SCORE,
            "classes": [person],
            "quantize": 16 if self.settings.half else None,
            "device": device,
            "save": False,
            "verbose": False,
            "predictor": make_raw_predictor(self._model.task_map[self._model.task]["predictor"]),
        }
        self.run((np.zeros((1, 8, self.settings.image_size, 3), np.uint8),))  # the first run sets the library's sizes

    def constants(self) -> dict[str, np.ndarray]:
        """`image_size` (height, width) px and `stride`, which letterboxing needs; `posed`: has keypoints."""
        predictor = self._model.predictor
        return {
            "image_size": np.array(predictor.imgsz, np.int64),
            "stride": np.array(predictor.model.stride, np.int64),
            "posed": np.array(self._model.task == "pose"),
        }

    def run(self, inputs: Columns) -> Columns:
        (frames,) = inputs
        # The library letterboxes them again, which changes nothing: their longer side already has its length.
        found = self._model.predict(list(frames), **self._arguments)
        width = 6 + (np.prod(_COCO_POSE) if self._model.task == "pose" else 0)
        return (make_ragged_column([each.rows[:, :width].float().cpu().numpy() for each in found]),)


class RawDetections:
    """A predictor's rows for one frame, in the pixels of the model's input."""

    def __init__(self, rows: Any) -> None:
        self.rows = rows
        self.speed: dict[str, float] = {}
        """The library stores its times here."""


def make_raw_predictor(predictor: type) -> type:
    """Make a predictor without the library's last step, which maps detections to the frame's pixels."""

    class RawPredictor(predictor):
        def construct_results(self, preds: Any, img: Any, orig_imgs: Any, protos: Any = None) -> list[RawDetections]:
            if protos is None:
                return [RawDetections(rows) for rows in preds]
            from ultralytics.utils import ops

            results = []
            for rows, proto in zip(preds, protos, strict=True):
                if len(rows):  # the library drops detections with an empty mask
                    masks = ops.process_mask(proto, rows[:, 6:], rows[:, :4], img.shape[2:], upsample=True)
                    rows = rows[masks.amax((-2, -1)) > 0]
                results.append(RawDetections(rows))
            return results

    return RawPredictor


def find_person_class(path: Path, task: str, names: dict[int, str], head: Any) -> int:
    """Find the number of the model's class `person`. UserError for a model that this annotator can't use."""
    where = f"track.ultralytics.weights: {path}"
    if task not in TASKS:
        raise UserError(f"{where} is a {task} model; one of these is needed: {', '.join(TASKS)}")
    if len(names) != head.nc:
        raise UserError(f"{where} names {len(names)} classes and has {head.nc}: take the file that training wrote")
    number = next((number for number, name in names.items() if str(name).lower() == "person"), None)
    if number is None:
        raise UserError(f"{where} has no class 'person' among its {len(names)}: {_format_names(list(names.values()))}")
    if task == "pose" and tuple(head.kpt_shape) != _COCO_POSE:
        points = " x ".join(map(str, head.kpt_shape))
        raise UserError(f"{where} has keypoints of {points}; a pose model needs COCO's, 17 x 3")
    return int(number)


def _format_names(names: list[str]) -> str:
    return ", ".join(map(str, names[:5])) + (", ..." if len(names) > 5 else "")

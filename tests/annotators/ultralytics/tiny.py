"""Tiny YOLO files of the library's own format with known output: their few weights are set by hand.

`save_dots` finds coloured cells of 8 px: a red one is a large person about it, a green one a small person, a blue one
a dog. `save_fixed` finds one person, always at the same place.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch
import yaml

from annotators.ultralytics.library import import_ultralytics

CELL = 8
LARGE, SMALL = 5, 3
"""How far a box reaches from the middle of its cell, in cells."""
GAIN = 10.0
"""A cell of full colour leaves the backbone as this; SiLU hardly bends it."""
HEADS = {"detect": ["Detect", []], "pose": ["Pose", [[17, 3]]], "segment": ["Segment", [8, 16]]}
POINT_SCORES = np.array([0.9] * 13 + [0.8, 0.6, 0.4, 0.2])
"""Of the 17 keypoints; knees and ankles have a mean of 0.5."""


def save_dots(path: Path, task: str = "detect", names: dict[int, str] | None = None, points: int = 17) -> Path:
    """Save a model at stride 8 that finds what is drawn (see `draw_dot`). `names` may be other than its two classes."""
    model = _make_model(path, task, {0: "person", 1: "dog"}, CELL, points)
    head = model.model.model[-1]
    with torch.no_grad():
        conv = model.model.model[0].conv.weight
        for channel in range(3):  # each colour's mean over the cell, by itself
            conv[channel, channel] = GAIN / CELL**2
        box = head.cv2[0]
        for channel in range(3):
            box[0].conv.weight[channel, channel, 1, 1] = 1
            box[1].conv.weight[channel, channel, 1, 1] = 1
        for side in range(4):  # bins of the four distances: red gives LARGE, green SMALL
            box[2].weight[side * head.reg_max + LARGE, 0] = 4
            box[2].weight[side * head.reg_max + SMALL, 1] = 4
        scores = head.cv3[0]
        for channel in range(3):
            scores[0].conv.weight[channel, channel, 1, 1] = 1
            scores[1].conv.weight[channel, channel, 1, 1] = 1
        scores[2].weight[0, :2] = 1
        scores[2].weight[1, 2] = 1
        scores[2].bias[:] = -GAIN / 2
        _set_other_outputs(head, task)
    return _save(model, path, names)


def draw_dot(frame: np.ndarray, column: int, row: int, colour: int, share: float = 1.0) -> None:
    """Draw into (H, W, 3) RGB what `save_dots` finds: in the cell at column, row; `share` of full colour."""
    frame[row * CELL : (row + 1) * CELL, column * CELL : (column + 1) * CELL, colour] = round(255 * share)


def make_box(column: int, row: int, reach: int) -> list[float]:
    """Return the box that `save_dots` finds around a dot, px."""
    x, y = (column + 0.5) * CELL, (row + 0.5) * CELL
    return [x - reach * CELL, y - reach * CELL, x + reach * CELL, y + reach * CELL]


def save_fixed(path: Path, task: str = "detect", reach: tuple[float, ...] = (0.15, 0.25, 0.15, 0.25)) -> Path:
    """Save a model of a single cell of 64 px, for `image_size: 64`: one person in the middle of every frame.

    `reach` is how far the box goes left, up, right and down of the middle, in shares of the frame's longer side.
    """
    model = _make_model(path, task, {0: "person"}, 64, 17)
    head = model.model.model[-1]
    with torch.no_grad():
        for side, share in enumerate(reach):  # between the bins 0 and 1 lies the softmax's mean
            bins = head.cv2[0][2].bias[side * head.reg_max : (side + 1) * head.reg_max]
            bins[:] = -30
            bins[0], bins[1] = 0, float(np.log(share / (1 - share)))
        head.cv3[0][2].bias[:] = 3
        _set_other_outputs(head, task)
    return _save(model, path, None)


def _make_model(path: Path, task: str, names: dict[int, str], stride: int, points: int) -> Any:
    """Make the library's model of one convolution and a head, all weights zero."""
    yolo = import_ultralytics().YOLO
    kind, own = HEADS[task]
    own = [[points, 3]] if task == "pose" else own
    described = {
        "nc": len(names),
        "backbone": [[-1, 1, "Conv", [16, stride, stride, 0]]],
        "head": [[[0], 1, kind, ["nc", *own]]],
    }
    if task == "pose":
        described["kpt_shape"] = [points, 3]
    config = path.with_suffix(".yaml")
    config.write_text(yaml.safe_dump(described))
    model = yolo(str(config), task=task)
    config.unlink()
    model.model.names = names
    with torch.no_grad():
        for module in model.model.modules():
            if isinstance(module, torch.nn.Conv2d) and module is not model.model.model[-1].dfl.conv:
                module.weight.zero_()
                if module.bias is not None:
                    module.bias.zero_()
    return model


def _set_other_outputs(head: Any, task: str) -> None:
    """Set the other outputs: keypoints in the middle of their cell, with POINT_SCORES; masks that fill the frame."""
    if task == "pose":
        bias = head.cv4[0][2].bias.view(*head.kpt_shape)
        bias[:, :2] = 0.25  # the library decodes (2 * 0.25 + cell) * stride
        scores = torch.as_tensor(POINT_SCORES[: len(bias)], dtype=bias.dtype)
        bias[:, 2] = torch.log(scores / (1 - scores))
    elif task == "segment":
        head.proto.cv3.bn.bias[:] = 1
        head.cv4[0][2].bias[:] = 1


def _save(model: Any, path: Path, names: dict[int, str] | None) -> Path:
    if names is not None:
        model.model.names = names
    model.save(str(path))
    return path

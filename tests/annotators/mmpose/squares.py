"""A real mmpose checkpoint with known output: RTMPose-t with weights that find coloured squares.

The network is mmpose's own. Its convolutions pass the red, green and blue of every 32nd pixel to the feature map; its
head makes each keypoint respond to one colour, some of them in a neighbouring cell. So on a black image with one
square of each colour keypoint k lies at the square of colour k % 3, less a shift of whole cells.
"""

from pathlib import Path
from typing import Any

import numpy as np
import torch

from annotators.mmpose.config import MMPoseConfig
from annotators.mmpose.model import PoseNetwork

WIDTH, HEIGHT, CELL = 192, 256, 32
"""Of the network's input, px; one cell of its feature map."""
SCORE = 0.8
_GAIN = 1.5
"""Of every layer: with SiLU after it, values over 0.46 grow and smaller ones die away."""
_CENTRED = 3.0
"""The bias that opens mmpose's channel attention: hardsigmoid(3) is 1."""


def get_shift(k: int) -> int:
    """Return by how many cells keypoint k lies left of its square."""
    return (k // 3) % 3 - 1


def make_square_finder(model: str) -> dict[str, torch.Tensor]:
    """Make the state_dict of a network of that name (a tiny one, 256x192)."""
    network = PoseNetwork(MMPoseConfig(model=model))
    network.build_network("cpu")
    net = network.net
    state = {name: torch.zeros_like(value) for name, value in net.state_dict().items()}
    for name, value in state.items():
        if name.endswith(("running_var", "bn.weight", ".g", ".scale")):
            value.fill_(1)
        elif name.endswith("attention.fc.bias"):
            value.fill_(_CENTRED)
        elif name.endswith("conv.weight") and value.ndim == 4:
            _fill_pass_through(name, value)
    _fill_head(state)
    return state


def _fill_pass_through(name: str, weight: torch.Tensor) -> None:
    """Pass the first three channels through; the other branches give zero."""
    if any(part in name for part in ("main_conv", "blocks")):
        return
    middle = weight.shape[-1] // 2
    skipped = weight.shape[1] // 2 if "final_conv" in name else 0  # the branch of zeros comes first
    for colour in range(3):
        weight[colour, skipped + colour, middle, middle] = _GAIN


def _fill_head(state: dict[str, torch.Tensor]) -> None:
    filters, columns, rows = state["head.final_layer.weight"], WIDTH // CELL, HEIGHT // CELL
    for k in range(len(filters)):
        filters[k, k % 3, 3, 3 + get_shift(k)] = 1
    for cell in range(columns * rows):
        state["head.mlp.1.weight"][cell, cell] = 1
        for axis, place in (("x", cell % columns), ("y", cell // columns)):
            # ScaleNorm gives the one cell that is lit the square root of their number.
            state[f"head.cls_{axis}.weight"][2 * CELL * place, cell] = SCORE / (columns * rows) ** 0.5


def write_checkpoint(path: Path, state: dict[str, torch.Tensor], *, legacy: bool = False, **more: Any) -> Path:
    """Write a .pth as mmengine does, with the data set's description and the training's log beside the tensors.

    `legacy`: in the form before torch 1.6, which OpenMMLab's published files have.
    """
    from mmengine.logging import HistoryBuffer, MessageHub

    log = HistoryBuffer([0.5, 0.25], [1, 1])
    meta = {
        "epoch": 420,
        "cfg": "model = dict()",
        "dataset_meta": {"dataset_name": "coco", "sigmas": np.ones(17, np.float32), "upper_body_ids": [0, 1]},
    }
    whole = {"meta": meta, "state_dict": state, "message_hub": {"log_scalars": {"train/loss": log}}, **more}
    assert MessageHub  # the class that gathers such logs
    torch.save(whole, path, _use_new_zipfile_serialization=not legacy)
    return path


def draw_squares(
    places: dict[int, tuple[int, int]], size: tuple[int, int], corner: tuple[float, float], zoom: float
) -> np.ndarray:
    """Draw a black RGB image of size (width, height) px with one square of each colour (0, 1, 2: red, green, blue).

    `places`: colour -> cell (column, row); `corner`, px, and `zoom` place the network's input in the image.
    """
    rgb = np.zeros((size[1], size[0], 3), np.uint8)
    half = 0.55 * CELL * zoom
    for colour, (column, row) in places.items():
        x, y = corner[0] + CELL * zoom * column, corner[1] + CELL * zoom * row
        low, high = (max(0, round(v - half)) for v in (x, y)), (max(0, round(v + half)) for v in (x, y))
        (x0, y0), (x1, y1) = low, high
        rgb[y0:y1, x0:x1, colour] = 255
    return rgb


def make_box(corner: tuple[float, float], zoom: float) -> np.ndarray:
    """Make the person's box (4,) px whose input lies at `corner`; mmpose and rtmlib widen a box by a quarter."""
    middle = np.array(corner) + np.array([WIDTH, HEIGHT]) * zoom / 2
    half = np.array([WIDTH, HEIGHT]) * zoom / 2 / 1.25
    return np.concatenate([middle - half, middle + half]).astype(np.float32)


def compute_expected(
    places: dict[int, tuple[int, int]], corner: tuple[float, float], zoom: float, count: int
) -> np.ndarray:
    """Compute the expected keypoints (count, 2) px."""
    cells = np.array([np.subtract(places[k % 3], (get_shift(k), 0)) for k in range(count)], np.float64)
    return cells * CELL * zoom + corner

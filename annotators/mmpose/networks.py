"""The networks of the RTMPose family: mmpose's configuration of each, and which one a checkpoint is of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, get_args

from annotators.mmpose.config import Model

_BODY = "body_2d_keypoint/rtmpose/coco/rtmpose-{}_8xb256-420e_coco-256x192.py"
_LARGE_BODY = "body_2d_keypoint/rtmpose/body8/rtmpose-{}_8xb256-420e_body8-384x288.py"
_WHOLE = "wholebody_2d_keypoint/rtmpose/ubody/rtmpose-{}_8xb64-270e_coco-ubody-wholebody-256x192.py"
_LARGE_WHOLE = "wholebody_2d_keypoint/rtmpose/ubody/rtmpose-{}_8xb32-270e_coco-ubody-wholebody-384x288.py"
_CONFIGS = {
    ("body", "256x192"): _BODY,
    ("body", "384x288"): _LARGE_BODY,
    ("wholebody", "256x192"): _WHOLE,
    ("wholebody", "384x288"): _LARGE_WHOLE,
}
_SKELETONS = {"body": "coco_17", "wholebody": "coco_wholebody_133"}
_PARTS = {17: "body", 133: "wholebody"}
_SIZES = {12: "t", 16: "s", 24: "m", 32: "l", 40: "x"}
"""By the channels of the first convolution."""
_BINS_PER_PIXEL = 2
"""SimCC's: the last layers have so many outputs for each pixel of the input's sides."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """One row: the file below mmpose's `.mim/configs`, and the skeleton of what it gives."""

    config: str
    skeleton: str


def recipe(model: Model) -> Recipe:
    """The network of that name. Sets trained on other data (COCO, AIC, body8, UBody) share one network, so any of their
    weights go in."""
    _, size, part, side = model.split("-")
    return Recipe(_CONFIGS[part, side].format(size), _SKELETONS[part])


def network_of(state: Mapping[str, Any]) -> str:
    """What a checkpoint's tensors are of, as text: a model's name where there is one; "" where it is no RTMPose."""
    try:
        points = len(state["head.final_layer.weight"])
        wide, high = (len(state[f"head.cls_{axis}.weight"]) // _BINS_PER_PIXEL for axis in "xy")
        channels = len(state["backbone.stem.0.conv.weight"])
    except (KeyError, TypeError):
        return ""
    name = f"rtmpose-{_SIZES.get(channels, '?')}-{_PARTS.get(points, '?')}-{high}x{wide}"
    return name if name in get_args(Model) else f"a network with {points} keypoints, {high}x{wide}, {channels} channels"

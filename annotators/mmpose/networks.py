"""The networks of the RTMPose family: mmpose's configuration of each, and the network of a checkpoint."""

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
"""Outputs of SimCC's last layers for each pixel of the input's sides."""


@dataclass(frozen=True, slots=True)
class NetworkSpec:
    """A network: its configuration file below mmpose's `.mim/configs`, and its skeleton."""

    config: str
    skeleton: str


def get_network_spec(model: Model) -> NetworkSpec:
    """Return the network of a name. Weights trained on other data (COCO, AIC, body8, UBody) share the network."""
    _, size, part, side = model.split("-")
    return NetworkSpec(_CONFIGS[part, side].format(size), _SKELETONS[part])


def identify_network(state: Mapping[str, Any]) -> str:
    """Name the network of a checkpoint's tensors: a model, else a description; "" if it is no RTMPose."""
    try:
        points = len(state["head.final_layer.weight"])
        wide, high = (len(state[f"head.cls_{axis}.weight"]) // _BINS_PER_PIXEL for axis in "xy")
        channels = len(state["backbone.stem.0.conv.weight"])
    except (KeyError, TypeError):
        return ""
    name = f"rtmpose-{_SIZES.get(channels, '?')}-{_PARTS.get(points, '?')}-{high}x{wide}"
    return name if name in get_args(Model) else f"a network with {points} keypoints, {high}x{wide}, {channels} channels"

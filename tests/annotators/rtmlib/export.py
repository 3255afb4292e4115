"""RTMPose in ONNX as mmdeploy exports it: normalised images in, two distributions for each keypoint out."""

import warnings
from pathlib import Path

import torch

from annotators.mmpose.config import MMPoseConfig
from annotators.mmpose.model import PoseNetwork


class Heads(torch.nn.Module):
    """mmpose's network without the steps before and after it."""

    def __init__(self, model: str, state: dict[str, torch.Tensor]) -> None:
        super().__init__()
        network = PoseNetwork(MMPoseConfig(model=model))
        network.build_network("cpu")
        self.net = network.net
        self.net.load_state_dict(state)

    def forward(self, images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.net.head(self.net.backbone(images))


def write_onnx(path: Path, module: torch.nn.Module, *, one: bool = False, size: tuple[int, int] = (256, 192)) -> Path:
    """Write an ONNX file. `one`: for one image at a time, as many published files are. `size`: height and width, px."""
    names = ["input", "simcc_x", "simcc_y"]
    axes = None if one else {name: {0: "batch"} for name in names}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        torch.onnx.export(
            module.eval(),
            torch.zeros(1, 3, *size),
            str(path),
            input_names=names[:1],
            output_names=names[1:],
            dynamic_axes=axes,
            opset_version=17,
            dynamo=False,
        )
    return path

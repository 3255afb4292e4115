"""A network of the RTMPose family, built by mmpose from its own configuration, and the steps around it."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from annotators.mmpose.config import MMPoseConfig
from annotators.mmpose.imports import make_mmpose_importable
from annotators.mmpose.networks import get_network_spec, identify_network
from annotators.network import Columns, Network, to_tensor
from annotators.topdown import Points
from humove.errors import UserError

if TYPE_CHECKING:
    import torch

_WHAT = "pose2d.mmpose.weights"
_COUNTER = "num_batches_tracked"
"""Used in training alone, and missing in older files."""


class PoseNetwork:
    """(B, 3, H, W) uint8 RGB crops -> SimCC scores (B, K, bins of x) and (B, K, bins of y)."""

    def __init__(self, settings: MMPoseConfig) -> None:
        self.settings = settings
        self.batch_size = settings.batch_size

    def load(self, device: str) -> None:
        """Build the network and read its weights. UserError if the file is missing or of another network."""
        path = self.settings.weights.resolve_file(_WHAT)

        import torch

        from annotators.mmpose.checkpoint import read_tensors

        torch.set_num_threads(1)
        tensors = read_tensors(path, _WHAT)
        self.build_network(device)
        self.load_tensors(tensors)

    def build_network(self, device: str) -> None:
        """Build the network with random weights."""
        with make_mmpose_importable(), warnings.catch_warnings():
            warnings.simplefilter("ignore")  # mmpose warns of every operator that mmcv-lite lacks; none is used here
            config = read_config(self.settings)
            from mmengine.model import revert_sync_batchnorm
            from mmpose.models import build_pose_estimator

            self.net = revert_sync_batchnorm(build_pose_estimator(config.model))
        self._meta = {"flip_indices": read_meta(config)["flip_indices"]}
        self.net.head.decode = lambda scores: scores  # the steps after it run on the CPU
        self._half = self.settings.half and device != "cpu"
        self._device = device
        self.net.to(device).eval()

    def load_tensors(self, tensors: "Mapping[str, torch.Tensor]") -> None:
        """Load a checkpoint's tensors into the network; UserError if they are of another network."""
        settings = self.settings
        path = settings.weights.path
        found = identify_network(tensors)
        if not found:
            raise UserError(f"{_WHAT}: {path} is no RTMPose or DWPose: head.cls_x and others are missing")
        if found != settings.model:
            remedy = f"set pose2d.mmpose.model={found}" if found.startswith("rtmpose") else "choose other weights"
            raise UserError(f"{_WHAT}: {path} is {found}, but pose2d.mmpose.model is {settings.model}: {remedy}")
        try:
            missing, _ = self.net.load_state_dict(dict(tensors), strict=False)
        except RuntimeError as error:
            message = " ".join(str(error).split())
            raise UserError(f"{_WHAT}: {path} does not fit {settings.model}: {message}") from error
        missing = [name for name in missing if not name.endswith(_COUNTER)]
        if missing:
            raise UserError(f"{_WHAT}: {path} lacks {len(missing)} of the network's tensors, among them {missing[0]}")

    def constants(self) -> dict[str, np.ndarray]:
        return {}

    def run(self, inputs: Columns) -> Columns:
        import torch
        from mmpose.structures import PoseDataSample

        (crops,) = inputs
        samples = [PoseDataSample(metainfo=self._meta) for _ in crops]
        kind = torch.device(self._device).type
        with torch.inference_mode(), torch.autocast(kind, dtype=torch.float16, enabled=self._half):
            ready = self.net.data_preprocessor({"inputs": list(to_tensor(crops)), "data_samples": samples}, False)
            features = self.net.extract_feat(ready["inputs"])
            if self.net.test_cfg.get("flip_test", False):
                features = [features, self.net.extract_feat(ready["inputs"].flip(-1))]
            x, y = self.net.head.predict(features, ready["data_samples"], test_cfg=self.net.test_cfg)
        return x.cpu().numpy(), y.cpu().numpy()


class PoseModel:
    """mmpose's steps before and after the network."""

    def __init__(self, settings: MMPoseConfig, network: Network) -> None:
        """`network` is a loaded PoseNetwork, or a client of one."""
        with make_mmpose_importable(), warnings.catch_warnings():
            warnings.simplefilter("ignore")
            config = read_config(settings)
            from mmengine.dataset import Compose
            from mmpose.registry import KEYPOINT_CODECS

            self._pipeline = Compose(config.test_dataloader.dataset.pipeline)
            self._codec = KEYPOINT_CODECS.build(config.model.head.decoder)
        self._meta = read_meta(config)
        self._network = network

    def run(self, frames: Sequence[np.ndarray], boxes: np.ndarray) -> list[Points]:
        """Run on one person in each frame; see `annotators.topdown.RunModel`."""
        items = [self._prepare_item(rgb, box) for rgb, box in zip(frames, boxes, strict=True)]
        x, y = self._network.run((np.stack([item["inputs"].numpy() for item in items]),))
        found = []
        for row, item in enumerate(items):
            keypoints, scores = self._codec.decode(x[row], y[row])
            meta = item["data_samples"].metainfo
            # As mmpose's TopdownPoseEstimator puts them into the frame.
            keypoints[..., :2] = (
                keypoints[..., :2] / meta["input_size"] * meta["input_scale"]
                + meta["input_center"]
                - 0.5 * meta["input_scale"]
            )
            found.append((keypoints[0], scores[0]))
        return found

    def _prepare_item(self, rgb: np.ndarray, box: np.ndarray) -> dict[str, Any]:
        """Run mmpose's pipeline on a frame."""
        item = {"img": rgb, "bbox": box[None], "bbox_score": np.ones(1, np.float32)}
        return self._pipeline({**item, **self._meta})


def read_config(settings: MMPoseConfig) -> Any:
    """Read mmpose's configuration of the network. Must be called within `make_mmpose_importable`."""
    import mmpose
    import mmpose.datasets.transforms  # registers the steps of the pipeline
    from mmengine.config import Config
    from mmengine.registry import init_default_scope

    folder = Path(mmpose.__file__).parent / ".mim" / "configs"
    config = Config.fromfile(folder / get_network_spec(settings.model).config)
    init_default_scope("mmpose")
    # The configurations name mmdet's CSPNeXt, and weights to start a training from; mmpose has the same backbone.
    del config.model.backbone["_scope_"]
    config.model.backbone.init_cfg = None
    config.model.test_cfg.flip_test = settings.flip
    # mmpose exchanges red and blue of OpenCV's images; ours are RGB, and reversing a whole frame costs 4 ms.
    config.model.data_preprocessor.bgr_to_rgb = False
    return config


def read_meta(config: Any) -> dict[str, Any]:
    """Read mmpose's description of the keypoints: which are mirrored, how they are drawn."""
    import mmpose
    from mmpose.datasets.datasets.utils import parse_pose_metainfo

    described = "coco_wholebody" if config.model.head.out_channels == 133 else "coco"
    folder = Path(mmpose.__file__).parent / ".mim" / "configs"
    return parse_pose_metainfo({"from_file": str(folder / f"_base_/datasets/{described}.py")})

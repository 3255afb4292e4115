"""A network of the RTMPose family, built by mmpose from its own configuration."""

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from annotators.mmpose.config import MMPoseConfig
from annotators.mmpose.imports import mmpose_importable
from annotators.mmpose.networks import network, network_of
from annotators.topdown import Points
from humove.errors import UserError

_WHAT = "pose2d.mmpose.weights"
_COUNTER = "num_batches_tracked"
"""Of use in training alone, and missing in older files."""


class PoseModel:
    """The network, its test pipeline, and its weights."""

    def __init__(self, settings: MMPoseConfig, device: str) -> None:
        with warnings.catch_warnings(), mmpose_importable():
            warnings.simplefilter("ignore")  # mmpose tells of every operator that mmcv-lite lacks; none is used here
            self._build(settings)
        self._half = settings.half and device != "cpu"
        self._device = device
        self.net.to(device).eval()

    def _build(self, settings: MMPoseConfig) -> None:
        import mmpose
        import mmpose.datasets.transforms  # registers the steps of the pipeline
        from mmengine.config import Config
        from mmengine.dataset import Compose
        from mmengine.model import revert_sync_batchnorm
        from mmengine.registry import init_default_scope
        from mmpose.datasets.datasets.utils import parse_pose_metainfo
        from mmpose.models import build_pose_estimator

        folder = Path(mmpose.__file__).parent / ".mim" / "configs"
        config = Config.fromfile(folder / network(settings.model).config)
        init_default_scope("mmpose")
        # The configurations name mmdet's CSPNeXt, and weights to start a training from; mmpose has the same backbone.
        del config.model.backbone["_scope_"]
        config.model.backbone.init_cfg = None
        config.model.test_cfg.flip_test = settings.flip
        # mmpose exchanges red and blue of OpenCV's pictures; ours are RGB, and turning a whole frame costs 4 ms.
        config.model.data_preprocessor.bgr_to_rgb = False
        self.net = revert_sync_batchnorm(build_pose_estimator(config.model))
        described = "coco_wholebody" if config.model.head.out_channels == 133 else "coco"
        self._meta = parse_pose_metainfo({"from_file": str(folder / f"_base_/datasets/{described}.py")})
        self._pipeline = Compose(config.test_dataloader.dataset.pipeline)

    def fill(self, tensors: Mapping[str, torch.Tensor], settings: MMPoseConfig) -> None:
        """Puts a checkpoint's tensors into the network; UserError where they are another network's."""
        path = settings.weights.path
        found = network_of(tensors)
        if not found:
            raise UserError(f"{_WHAT}: {path} is no RTMPose or DWPose: head.cls_x and others are missing")
        if found != settings.model:
            mend = f"set pose2d.mmpose.model={found}" if found.startswith("rtmpose") else "choose other weights"
            raise UserError(f"{_WHAT}: {path} is {found}, but pose2d.mmpose.model is {settings.model}: {mend}")
        try:
            missing, _ = self.net.load_state_dict(dict(tensors), strict=False)
        except RuntimeError as error:
            said = " ".join(str(error).split())
            raise UserError(f"{_WHAT}: {path} does not fit {settings.model}: {said}") from error
        missing = [name for name in missing if not name.endswith(_COUNTER)]
        if missing:
            raise UserError(f"{_WHAT}: {path} lacks {len(missing)} of the network's tensors, among them {missing[0]}")

    def run(self, frames: Sequence[np.ndarray], boxes: np.ndarray) -> list[Points]:
        """One person in each frame; see `annotators.topdown.Run`."""
        from mmengine.dataset import pseudo_collate

        batch = pseudo_collate([self._item(rgb, box) for rgb, box in zip(frames, boxes, strict=True)])
        kind = torch.device(self._device).type
        with torch.inference_mode(), torch.autocast(kind, dtype=torch.float16, enabled=self._half):
            samples = self.net.test_step(batch)
        return [(s.pred_instances.keypoints[0], s.pred_instances.keypoint_scores[0]) for s in samples]

    def _item(self, rgb: np.ndarray, box: np.ndarray) -> dict[str, Any]:
        """What mmpose's pipeline makes of a frame."""
        one = {"img": rgb, "bbox": box[None], "bbox_score": np.ones(1, np.float32)}
        return self._pipeline({**one, **self._meta})

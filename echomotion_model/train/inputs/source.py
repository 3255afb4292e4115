"""Endless sources of training batches for each phase, which can start at any position."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch

from echomotion_model.data.batch import Batch
from echomotion_model.data.loader import Loader
from echomotion_model.latents.protocol import VideoEncoder
from echomotion_model.motion.features import PROXY, encode_features
from echomotion_model.motion.normalizer import Normalizer
from echomotion_model.train.inputs.batch import TrainBatch
from echomotion_model.train.inputs.motion_loader import MotionBatch, MotionLoader
from echomotion_model.train.inputs.texts import CaptionEmbeddings


class BatchSource(Protocol):
    """Batches of one phase for one rank."""

    def __iter__(self) -> Iterator[TrainBatch]:
        """Iterate without end, epoch after epoch."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """Get the position after the last batch, as plain numbers and strings."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the position. UserError if it was saved with other samples or settings."""
        ...


class MotionSource:
    """Batches of motion, with video latents if the loader has latents."""

    def __init__(self, loader: MotionLoader, texts: CaptionEmbeddings, normalizer: Normalizer) -> None:
        self._loader, self._texts, self._normalizer = loader, texts, normalizer
        self.state_dict, self.load_state_dict = loader.state_dict, loader.load_state_dict

    def __iter__(self) -> Iterator[TrainBatch]:
        while True:
            yield from map(self._make_batch, self._loader)

    def _make_batch(self, batch: MotionBatch) -> TrainBatch:
        return TrainBatch(
            bucket=batch.bucket,
            keys=batch.keys,
            weight_B=batch.weight,
            video_BCFHW=batch.latents_BCFHW,
            motion_BTD=self._normalizer.normalize(batch.features_BTD),
            text_BLE=self._texts.embed(batch.keys, batch.captions, batch.epoch),
        )


class VideoSource:
    """Batches whose video is encoded at every step, for a data set without latents."""

    def __init__(
        self,
        loader: Loader,
        texts: CaptionEmbeddings,
        normalizer: Normalizer,
        encoder: VideoEncoder,
        device: torch.device,
    ) -> None:
        self._loader, self._texts, self._normalizer = loader, texts, normalizer
        self._encoder, self._device = encoder, device
        self.state_dict, self.load_state_dict = loader.state_dict, loader.load_state_dict

    def __iter__(self) -> Iterator[TrainBatch]:
        while True:
            yield from map(self._make_batch, self._loader)

    def _make_batch(self, batch: Batch) -> TrainBatch:
        arrays = ("global_orient", "body_pose", "transl", "joints", "betas", "rest_joints")
        features_BTD = encode_features(
            **{name: getattr(batch, name) for name in arrays},
            proxy=torch.tensor([source == PROXY for source in batch.shape_sources]),
        )
        with torch.no_grad():
            video_BCFHW = self._encoder.encode_video(batch.video.to(self._device)).float()
        return TrainBatch(
            bucket=batch.bucket,
            keys=batch.keys,
            weight_B=batch.weight,
            video_BCFHW=video_BCFHW,
            motion_BTD=self._normalizer.normalize(features_BTD),
            text_BLE=self._texts.embed(batch.keys, batch.captions, batch.epoch),
        )

"""Where the passes of each phase come from, one after another without end, from any position."""

from collections.abc import Iterator
from typing import Any, Protocol

import torch

from echomotion_model.data.batch import Batch
from echomotion_model.data.loader import Loader
from echomotion_model.latents.protocol import VideoEncoder
from echomotion_model.motion.features import PROXY, encode_features
from echomotion_model.motion.normalizer import Normalizer
from echomotion_model.train.batch import Given
from echomotion_model.train.motion_loader import MotionBatch, MotionLoader
from echomotion_model.train.texts import Texts


class Source(Protocol):
    """Batches of one phase for one rank."""

    def __iter__(self) -> Iterator[Given]:
        """Without end: epoch after epoch."""
        ...

    def state_dict(self) -> dict[str, Any]:
        """The position after the batch last handed out: plain numbers and strings."""
        ...

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to a position. UserError where it was saved with other samples or settings."""
        ...


class MotionSource:
    """Motion alone, or with the latents that its loader was given."""

    def __init__(self, loader: MotionLoader, texts: Texts, normalizer: Normalizer) -> None:
        self._loader, self._texts, self._normalizer = loader, texts, normalizer
        self.state_dict, self.load_state_dict = loader.state_dict, loader.load_state_dict

    def __iter__(self) -> Iterator[Given]:
        while True:
            yield from map(self._given, self._loader)

    def _given(self, batch: MotionBatch) -> Given:
        return Given(
            bucket=batch.bucket,
            keys=batch.keys,
            weight_B=batch.weight,
            video_BCFHW=batch.latents_BCFHW,
            motion_BTD=self._normalizer.normalize(batch.features_BTD),
            text_BLE=self._texts.of(batch.keys, batch.captions, batch.epoch),
        )


class VideoSource:
    """Pictures that are encoded as they come, for a data set without latents."""

    def __init__(
        self, loader: Loader, texts: Texts, normalizer: Normalizer, encoder: VideoEncoder, device: torch.device
    ) -> None:
        self._loader, self._texts, self._normalizer = loader, texts, normalizer
        self._encoder, self._device = encoder, device
        self.state_dict, self.load_state_dict = loader.state_dict, loader.load_state_dict

    def __iter__(self) -> Iterator[Given]:
        while True:
            yield from map(self._given, self._loader)

    def _given(self, batch: Batch) -> Given:
        arrays = ("global_orient", "body_pose", "transl", "joints", "betas", "rest_joints")
        features_BTD = encode_features(
            **{name: getattr(batch, name) for name in arrays},
            proxy=torch.tensor([source == PROXY for source in batch.shape_sources]),
        )
        with torch.no_grad():
            video_BCFHW = self._encoder.encode_video(batch.video.to(self._device)).float()
        return Given(
            bucket=batch.bucket,
            keys=batch.keys,
            weight_B=batch.weight,
            video_BCFHW=video_BCFHW,
            motion_BTD=self._normalizer.normalize(features_BTD),
            text_BLE=self._texts.of(batch.keys, batch.captions, batch.epoch),
        )

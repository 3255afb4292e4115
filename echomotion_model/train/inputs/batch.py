"""The batch of one pass of the model: motion, with or without video latents."""

from dataclasses import dataclass, replace

import torch

from echomotion_model.train.config import TrainConfig
from humove.errors import UserError
from shards.buckets import Bucket

# B: samples; C F H W: latent channels, frames, rows, columns; T: motion frames; D: motion features; L E: text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TrainBatch:
    """One rank's samples of a batch, without noise."""

    bucket: Bucket
    keys: tuple[str, ...]
    weight_B: torch.Tensor
    """float32: 1, or 0 for a repeated sample that is excluded from the loss."""
    video_BCFHW: torch.Tensor | None
    """None if only motion trains."""
    motion_BTD: torch.Tensor
    """Normalised."""
    text_BLE: torch.Tensor

    def to(self, device: torch.device) -> "TrainBatch":
        """Move the tensors to a device."""
        names = ("weight_B", "video_BCFHW", "motion_BTD", "text_BLE")
        tensors = {name: getattr(self, name) for name in names}
        return replace(
            self, **{name: each.to(device, non_blocking=True) for name, each in tensors.items() if each is not None}
        )


def check_train_batch(batch: TrainBatch, config: TrainConfig) -> None:
    """Raise UserError if the video latents do not match the model."""
    if batch.video_BCFHW is None:
        return
    _, channels, frames, height, width = batch.video_BCFHW.shape
    bucket, stride = batch.bucket, config.encoders.stride
    if channels != config.model.channels:
        raise UserError(
            f"the video latents have {channels} channels, the model has {config.model.channels}: set "
            "encoders.video, and use latents, that match the model"
        )
    if (height, width) != (bucket.height // stride, bucket.width // stride):
        raise UserError(
            f"the latents of {bucket.name} are {width}x{height}, which does not match encoders.stride={stride}: "
            "set it to the codec's stride"
        )
    if frames != (bucket.frames - 1) // config.model.frame_stride + 1:
        raise UserError(f"the latents of {bucket.name} have {frames} frames: set model.frame_stride to the codec's")


def pad_text(tokens_LE: torch.Tensor, length: int) -> torch.Tensor:
    """Truncate a text's tokens or pad them with zeros, as Wan does: (length, E) float32."""
    out = tokens_LE.new_zeros(length, tokens_LE.shape[1], dtype=torch.float32)
    out[: len(tokens_LE)] = tokens_LE[:length]
    return out

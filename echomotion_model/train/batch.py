"""What one pass of the model is made from, and where it comes from: motion alone, or latents beside it."""

from dataclasses import dataclass, replace

import torch

from echomotion_model.train.config import TrainConfig
from humove.errors import UserError
from shards.buckets import Bucket

# B: samples; C F H W: latent channels, frames, rows, columns; T: motion frames; D: motion features; L E: text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Given:
    """One rank's samples of a batch, clean, as the model is to know them."""

    bucket: Bucket
    keys: tuple[str, ...]
    weight_B: torch.Tensor
    """float32: 1, or 0 for a repeat that must not count in the loss."""
    video_BCFHW: torch.Tensor | None
    """None where motion trains alone."""
    motion_BTD: torch.Tensor
    """Normalised."""
    text_BLE: torch.Tensor

    def to(self, device: torch.device) -> "Given":
        """The same on a device."""
        names = ("weight_B", "video_BCFHW", "motion_BTD", "text_BLE")
        tensors = {name: getattr(self, name) for name in names}
        return replace(
            self, **{name: each.to(device, non_blocking=True) for name, each in tensors.items() if each is not None}
        )


def check_given(given: Given, config: TrainConfig) -> None:
    """UserError where the video's latents are not such as the model takes."""
    if given.video_BCFHW is None:
        return
    _, channels, frames, height, width = given.video_BCFHW.shape
    bucket, stride = given.bucket, config.encoders.stride
    if channels != config.model.channels:
        raise UserError(
            f"the video's latents have {channels} channels, the model's are {config.model.channels}: choose "
            "encoders.video and the latents that go with the model"
        )
    if (height, width) != (bucket.height // stride, bucket.width // stride):
        raise UserError(
            f"the latents of {bucket.name} are {width}x{height}, which is not what encoders.stride={stride} makes of "
            "them: set it to the codec's own"
        )
    if frames != (bucket.frames - 1) // config.model.frame_stride + 1:
        raise UserError(f"the latents of {bucket.name} have {frames} frames: set model.frame_stride to the codec's own")


def padded(tokens_LE: torch.Tensor, length: int) -> torch.Tensor:
    """(length, E) float32: a text's tokens, cut or filled with zeros, as Wan does it."""
    out = tokens_LE.new_zeros(length, tokens_LE.shape[1], dtype=torch.float32)
    out[: len(tokens_LE)] = tokens_LE[:length]
    return out

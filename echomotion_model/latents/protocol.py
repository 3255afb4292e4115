"""What encoders are to the side shards.

Shape suffixes: B samples, T frames, H W px, 3 RGB; C channels, F h w the latents' frames, height and width; L tokens,
D numbers a token.
"""

from typing import Protocol

import torch

from humove.config import Strict


class EncoderId(Strict):
    """Which encoder it was: its name and a hash of its weights (of its rule, where it has none)."""

    name: str
    hash: str


class EncoderIds(Strict):
    """The two encoders of a set of side shards. Motion-only data has no video to encode."""

    video: EncoderId
    text: EncoderId


class MeantIds(Strict):
    """The encoders that a training means; None for one that it does not know: then any will do."""

    video: EncoderId | None = None
    text: EncoderId | None = None

    def or_else(self, others: EncoderIds) -> EncoderIds:
        """Those meant, and the others' where it is not known."""
        return EncoderIds(video=self.video or others.video, text=self.text or others.text)


class VideoEncoder(Protocol):
    """Pictures to latents."""

    name: str
    hash: str

    def encode_video(self, video_BTHW3: torch.Tensor) -> torch.Tensor:
        """uint8 RGB, T = 4k+1 -> latents_BCFhw of k+1 frames, on any device."""


class TextEncoder(Protocol):
    """Captions to tokens."""

    name: str
    hash: str

    def encode_text(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """(tokens_BLD, lengths_B int): of each text the first `length` tokens count."""


class EncoderLoader(Protocol):
    """Loads the encoders in a worker: it travels there pickled, so it is a plain record of paths and settings."""

    def __call__(self, device: str) -> tuple[VideoEncoder, TextEncoder]:
        """Both encoders on a device, in torch's spelling."""


def ids_of(video: VideoEncoder, text: TextEncoder) -> EncoderIds:
    """The identities of two encoders."""
    return EncoderIds(video=EncoderId(name=video.name, hash=video.hash), text=EncoderId(name=text.name, hash=text.hash))

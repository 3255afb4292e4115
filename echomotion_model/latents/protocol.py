"""The interface of encoders.

Shape suffixes: B samples, T frames, H W px, 3 RGB; C channels, F h w the latents' frames, height and width; L tokens,
D embedding size.
"""

from typing import Protocol

import torch

from humove.config.strict import Strict


class EncoderId(Strict):
    """An encoder's name and a hash of its weights, or of its algorithm if it has none."""

    name: str
    hash: str


class EncoderIds(Strict):
    """The two encoders of a data set's latents."""

    video: EncoderId
    text: EncoderId


class ExpectedEncoders(Strict):
    """The encoders that a training expects; None: any."""

    video: EncoderId | None = None
    text: EncoderId | None = None

    def fill_unknown(self, others: EncoderIds) -> EncoderIds:
        """Fill unknown encoders from others."""
        return EncoderIds(video=self.video or others.video, text=self.text or others.text)


class VideoEncoder(Protocol):
    """Encodes frames to latents."""

    name: str
    hash: str

    def encode_video(self, video_BTHW3: torch.Tensor) -> torch.Tensor:
        """Encode uint8 RGB, T = 4k+1, to latents_BCFhw of k+1 frames, on any device."""


class TextEncoder(Protocol):
    """Encodes captions to tokens."""

    name: str
    hash: str

    def encode_text(self, texts: list[str]) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode to (tokens_BLD, lengths_B int); the first `length` tokens of each text are valid."""


class EncoderLoader(Protocol):
    """Loads the encoders in a worker; it is pickled, so it holds only paths and settings."""

    def __call__(self, device: str) -> tuple[VideoEncoder, TextEncoder]:
        """Load both encoders on a torch device."""


def get_encoder_ids(video: VideoEncoder, text: TextEncoder) -> EncoderIds:
    """Get the ids of two encoders."""
    return EncoderIds(video=EncoderId(name=video.name, hash=video.hash), text=EncoderId(name=text.name, hash=text.hash))

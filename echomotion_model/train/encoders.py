"""The encoders that a configuration names."""

from dataclasses import dataclass

from echomotion_model.latents.protocol import TextEncoder, VideoEncoder
from echomotion_model.train.config import EncodersConfig


@dataclass(frozen=True, slots=True)
class Encoders:
    """Loads both onto a device; a plain record, so that it can travel to workers."""

    config: EncodersConfig

    def __call__(self, device: str) -> tuple[VideoEncoder, TextEncoder]:
        raise NotImplementedError

"""The encoders that a configuration names."""

from dataclasses import dataclass
from pathlib import Path

from echomotion_model.latents.protocol import TextEncoder, VideoEncoder
from echomotion_model.train.config import EncodersConfig
from humove.errors import UserError


@dataclass(frozen=True, slots=True)
class Encoders:
    """Loads both onto a device; a plain record, so that it can travel to workers."""

    config: EncodersConfig

    def __call__(self, device: str) -> tuple[VideoEncoder, TextEncoder]:
        """Both; libraries are imported when one of theirs is named. UserError where a folder is not what it must be."""
        video = self._video(device)
        if video.stride != self.config.stride:
            raise UserError(
                f"configuration: {video.name} has latents of {video.stride} px: set encoders.stride to that"
            )
        return video, self._text(device)

    def _video(self, device: str) -> VideoEncoder:
        if self.config.video == "wavelet":
            from echomotion_model.encoders.codec import DctCodec

            return DctCodec(device)
        from echomotion_model.encoders.vae import WanVae

        return WanVae(_folder(self.config.vae, "vae"), device)

    def _text(self, device: str) -> TextEncoder:
        from echomotion_model.encoders.text import sentence_encoder, umt5_encoder

        if self.config.text == "sentence":
            return sentence_encoder(device)
        return umt5_encoder(_folder(self.config.umt5, "umt5"), device)


def _folder(path: str, setting: str) -> Path:
    if not path:
        raise UserError(f"configuration: encoders.{setting} is empty: give the model's folder, or build latents first")
    return Path(path)

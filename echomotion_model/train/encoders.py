"""The encoders that a configuration names."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from echomotion_model.latents.protocol import EncoderId, EncoderIds, MeantIds, TextEncoder, VideoEncoder
from echomotion_model.train.config import EncodersConfig
from humove.errors import UserError


class VideoCodec(VideoEncoder, Protocol):
    """Pictures to latents and back."""

    def decode_video(self, latents_BCFhw: torch.Tensor) -> torch.Tensor:
        """uint8 RGB (B, T, H, W, 3)."""
        ...


@dataclass(frozen=True, slots=True)
class Encoders:
    """Loads both onto a device; a plain record, so that it can travel to workers."""

    config: EncodersConfig

    def __call__(self, device: str) -> tuple[VideoCodec, TextEncoder]:
        """UserError where a folder that is needed was not given, or does not hold the model."""
        return self.video(device), self.text(device)

    def check_video(self) -> None:
        """UserError where the folder that it needs was not given, or holds no such model. No weights are read."""
        from echomotion_model.encoders.identity import vae_folder

        if self.config.video == "vae":
            vae_folder(_folder("vae", self.config.vae))

    def check_text(self) -> None:
        """As `check_video`."""
        from echomotion_model.encoders.identity import sentence_folders, umt5_folders

        if self.config.text == "sentence":
            sentence_folders()
        else:
            umt5_folders(_folder("umt5", self.config.umt5))

    def ids(self) -> EncoderIds:
        """The identities of both, without loading them. UserError as `__call__`."""
        return EncoderIds(video=self._video_id(), text=self._text_id())

    def meant(self) -> MeantIds:
        """Those that are known: of Wan's encoders only where their folders were given."""
        return MeantIds(
            video=self._video_id() if self.config.video == "dct" or self.config.vae else None,
            text=self._text_id() if self.config.text == "sentence" or self.config.umt5 else None,
        )

    def video(self, device: str) -> VideoCodec:
        from echomotion_model.encoders.codec import DctCodec
        from echomotion_model.encoders.vae import WanVae

        if self.config.video == "dct":
            return DctCodec(device)
        return WanVae(_folder("vae", self.config.vae), device)

    def text(self, device: str) -> TextEncoder:
        from echomotion_model.encoders.text import sentence_encoder, umt5_encoder

        if self.config.text == "sentence":
            return sentence_encoder(device)
        return umt5_encoder(_folder("umt5", self.config.umt5), device)

    def _video_id(self) -> EncoderId:
        from echomotion_model.encoders.codec import DctCodec
        from echomotion_model.encoders.identity import vae_id

        if self.config.video == "dct":
            return EncoderId(name=DctCodec.name, hash=DctCodec.hash)
        return vae_id(_folder("vae", self.config.vae))

    def _text_id(self) -> EncoderId:
        from echomotion_model.encoders.identity import sentence_id, umt5_id

        if self.config.text == "sentence":
            return sentence_id()
        return umt5_id(_folder("umt5", self.config.umt5))


def _folder(name: str, path: str) -> Path:
    if not path:
        raise UserError(
            f"encoders.{name} is empty: give the folder that it lies in on this machine, or encode the data set first "
            "with humove latents"
        )
    return Path(path)

"""Load the encoders of a configuration."""

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import torch

from echomotion_model.latents.protocol import EncoderId, EncoderIds, ExpectedEncoders, TextEncoder, VideoEncoder
from echomotion_model.train.config import EncodersConfig
from humove.errors import UserError


class VideoCodec(VideoEncoder, Protocol):
    """Encodes frames to latents and decodes latents to frames."""

    def decode_video(self, latents_BCFhw: torch.Tensor) -> torch.Tensor:
        """Decode latents to uint8 RGB (B, T, H, W, 3)."""
        ...


@dataclass(frozen=True, slots=True)
class Encoders:
    """Loader of both encoders; holds only settings, so that it can be sent to workers."""

    config: EncodersConfig

    def __call__(self, device: str) -> tuple[VideoCodec, TextEncoder]:
        """Load both encoders. UserError if a folder is not set or does not hold the model."""
        return self.load_video(device), self.load_text(device)

    def check_video(self) -> None:
        """Raise UserError if the folder is not set or does not hold the model. Reads no weights."""
        from echomotion_model.encoders.fingerprints import check_vae_folder

        if self.config.video == "vae":
            check_vae_folder(_get_folder("vae", self.config.vae))

    def check_text(self) -> None:
        """Check the text encoder's folders, as `check_video`."""
        from echomotion_model.encoders.fingerprints import check_umt5_folders, find_sentence_folders

        if self.config.text == "sentence":
            find_sentence_folders()
        else:
            check_umt5_folders(_get_folder("umt5", self.config.umt5))

    def compute_ids(self) -> EncoderIds:
        """Compute the ids of both encoders without loading them. UserError as `__call__`."""
        return EncoderIds(video=self._compute_video_id(), text=self._compute_text_id())

    def get_expected(self) -> ExpectedEncoders:
        """Get the ids that are known: those of Wan's encoders only if their folders are set."""
        return ExpectedEncoders(
            video=self._compute_video_id() if self.config.video == "dct" or self.config.vae else None,
            text=self._compute_text_id() if self.config.text == "sentence" or self.config.umt5 else None,
        )

    def load_video(self, device: str) -> VideoCodec:
        from echomotion_model.encoders.codec import DctCodec
        from echomotion_model.encoders.vae import WanVae

        if self.config.video == "dct":
            return DctCodec(device)
        return WanVae(_get_folder("vae", self.config.vae), device)

    def load_text(self, device: str) -> TextEncoder:
        from echomotion_model.encoders.text import load_sentence_encoder, load_umt5_encoder

        if self.config.text == "sentence":
            return load_sentence_encoder(device)
        return load_umt5_encoder(_get_folder("umt5", self.config.umt5), device)

    def _compute_video_id(self) -> EncoderId:
        from echomotion_model.encoders.codec import DctCodec
        from echomotion_model.encoders.fingerprints import compute_vae_id

        if self.config.video == "dct":
            return EncoderId(name=DctCodec.name, hash=DctCodec.hash)
        return compute_vae_id(_get_folder("vae", self.config.vae))

    def _compute_text_id(self) -> EncoderId:
        from echomotion_model.encoders.fingerprints import compute_sentence_id, compute_umt5_id

        if self.config.text == "sentence":
            return compute_sentence_id()
        return compute_umt5_id(_get_folder("umt5", self.config.umt5))


def _get_folder(name: str, path: str) -> Path:
    if not path:
        raise UserError(
            f"encoders.{name} is empty: set it to the encoder's folder on this machine, or encode the data set first "
            "with humove latents"
        )
    return Path(path)

"""Wan's video autoencoder, through diffusers."""

from pathlib import Path

import torch
from diffusers import AutoencoderKLWan

from echomotion_model.encoders.fingerprints import VAE, compute_vae_id
from echomotion_model.encoders.model_folders import load_model
from humove.errors import UserError

# B: samples; T: frames; H W: px; 3: RGB; C: latent channels; F h w: latents' frames, rows, columns

_FRAMES = 4


class WanVae:
    """An AutoencoderKLWan of either kind, in float32. Latents are its distribution's mode, normalised to mean 0 and
    deviation 1 by the statistics in its configuration, as Wan's transformer expects them.

    `folder`: local, as diffusers saves it. UserError if it holds another model or lacks weights.
    """

    def __init__(self, folder: Path, device: str = "cpu") -> None:
        encoder = compute_vae_id(folder)
        model = load_model(lambda: _read_model(folder), folder, VAE)
        config = model.config
        if not len(config.latents_mean) == len(config.latents_std) == config.z_dim:
            raise UserError(f"{VAE}: {folder}: latents_mean and latents_std do not have {config.z_dim} values")
        self.name, self.hash = encoder.name, encoder.hash
        self.stride: int = config.scale_factor_spatial
        self._device = torch.device(device)
        self._model = model.to(self._device).eval().requires_grad_(False)
        self._mean_C111 = self._to_column(config.latents_mean)
        self._std_C111 = self._to_column(config.latents_std)

    @torch.no_grad()
    def encode_video(self, video_BTHW3: torch.Tensor) -> torch.Tensor:
        """Encode uint8 RGB, T = 4k+1, H and W multiples of `stride`, to latents_BCFhw float32, F = k+1."""
        _, frames, height, width, _ = video_BTHW3.shape
        if frames % _FRAMES != 1 or height % self.stride or width % self.stride:
            raise ValueError(f"{frames} frames of {width}x{height}: need 4k+1 frames, multiples of {self.stride} px")
        video_B3THW = video_BTHW3.to(self._device, torch.float32).permute(0, 4, 1, 2, 3) / 127.5 - 1
        latents_BCFhw = self._model.encode(video_B3THW).latent_dist.mode()
        return (latents_BCFhw - self._mean_C111) / self._std_C111

    @torch.no_grad()
    def decode_video(self, latents_BCFhw: torch.Tensor) -> torch.Tensor:
        """Decode latents to uint8 RGB (B, 4F-3, H, W, 3)."""
        latents_BCFhw = latents_BCFhw.to(self._device, torch.float32) * self._std_C111 + self._mean_C111
        video_B3THW = self._model.decode(latents_BCFhw).sample
        return ((video_B3THW.permute(0, 2, 3, 4, 1) + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)

    def _to_column(self, numbers: list[float]) -> torch.Tensor:
        return torch.tensor(numbers, device=self._device)[:, None, None, None]


def _read_model(folder: Path) -> tuple[AutoencoderKLWan, dict]:
    return AutoencoderKLWan.from_pretrained(
        folder, local_files_only=True, use_safetensors=True, torch_dtype=torch.float32, low_cpu_mem_usage=False,
        output_loading_info=True,
    )  # fmt: skip

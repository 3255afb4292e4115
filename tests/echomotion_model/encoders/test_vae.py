"""Wan's autoencoder from a folder: its own latents, normalised; or one line of what is wrong."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from echomotion_model.encoders.vae import WanVae
from humove.errors import UserError
from tests.echomotion_model.encoders.folders import small_vae

WEIGHTS = "diffusion_pytorch_model.safetensors"


def _video(frames: int = 5, size: int = 32) -> torch.Tensor:
    rng = torch.Generator().manual_seed(0)
    return torch.randint(0, 256, (2, frames, size, size, 3), dtype=torch.uint8, generator=rng)


def test_latents_are_the_models_own_normalised(tmp_path):
    vae, video = small_vae(tmp_path), _video()
    latents = WanVae(tmp_path).encode_video(video)
    assert latents.shape == (2, 16, 2, 4, 4) and latents.dtype == torch.float32
    with torch.no_grad():
        mean = vae.encode(video.float().permute(0, 4, 1, 2, 3) / 127.5 - 1).latent_dist.mean
    for channel in (0, 7, 15):
        wanted = (mean[:, channel] - vae.config.latents_mean[channel]) / vae.config.latents_std[channel]
        torch.testing.assert_close(latents[:, channel], wanted)


def test_decodes_what_it_encoded_as_the_model_does(tmp_path):
    vae, video = small_vae(tmp_path), _video()
    encoder = WanVae(tmp_path)
    shown = encoder.decode_video(encoder.encode_video(video))
    with torch.no_grad():
        own = vae(video.float().permute(0, 4, 1, 2, 3) / 127.5 - 1).sample.permute(0, 2, 3, 4, 1)
    assert shown.shape == video.shape and shown.dtype == torch.uint8
    assert (shown.float() - ((own.clamp(-1, 1) + 1) * 127.5)).abs().max() < 0.51


def test_the_later_autoencoder_has_latents_of_16_px(tmp_path):
    mean = [0.0] * 16
    small_vae(
        tmp_path, in_channels=12, out_channels=12, patch_size=2, scale_factor_spatial=16, latents_mean=mean,
        latents_std=[1.0] * 16,
    )  # fmt: skip
    encoder = WanVae(tmp_path)
    assert encoder.stride == 16
    latents = encoder.encode_video(_video())
    assert latents.shape == (2, 16, 2, 2, 2) and encoder.decode_video(latents).shape == _video().shape
    with pytest.raises(ValueError, match="multiples of 16"):
        encoder.encode_video(_video(size=24))


def test_the_hash_depends_on_the_weights_and_not_the_folder(tmp_path):
    small_vae(tmp_path / "a"), small_vae(tmp_path / "b")
    assert WanVae(tmp_path / "a").hash == WanVae(tmp_path / "b").hash
    weights = load_file(tmp_path / "b" / WEIGHTS)
    weights["decoder.conv_in.bias"] += 1
    save_file(weights, tmp_path / "b" / WEIGHTS)
    assert WanVae(tmp_path / "a").hash != WanVae(tmp_path / "b").hash


def _break(folder, how: str) -> None:
    weights = load_file(folder / WEIGHTS)
    key = "decoder.conv_in.bias"
    match how:
        case "missing":
            del weights[key]
        case "more":
            weights["junk"] = torch.zeros(1)
        case "shape":
            weights[key] = torch.zeros(99)
    save_file(weights, folder / WEIGHTS)


@pytest.mark.parametrize(
    "how, message", [("missing", "missing"), ("more", "junk is unexpected"), ("shape", "conv_in.bias")]
)
def test_weights_that_do_not_fit_give_a_one_line_error(tmp_path, how, message):
    small_vae(tmp_path)
    _break(tmp_path, how)
    with pytest.raises(UserError, match=message) as caught:
        WanVae(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_folder_without_the_model_gives_a_one_line_error(tmp_path):
    with pytest.raises(UserError, match="no folder .*nothing is downloaded"):
        WanVae(tmp_path / "Wan-AI" / "vae")
    with pytest.raises(UserError, match="holds no config.json"):
        WanVae(tmp_path)
    (tmp_path / "config.json").write_text(json.dumps({"_class_name": "AutoencoderKL"}))
    with pytest.raises(UserError, match="holds a AutoencoderKL, not"):
        WanVae(tmp_path)
    (tmp_path / "config.json").write_text("{")
    with pytest.raises(UserError, match="config.json"):
        WanVae(tmp_path)


def test_missing_and_damaged_weights_give_a_one_line_error(tmp_path):
    small_vae(tmp_path)
    whole = (tmp_path / WEIGHTS).read_bytes()
    (tmp_path / WEIGHTS).write_bytes(whole[:100])
    with pytest.raises(UserError, match="can't be loaded") as caught:
        WanVae(tmp_path)
    assert "\n" not in str(caught.value)
    (tmp_path / WEIGHTS).unlink()
    with pytest.raises(UserError, match="can't be loaded") as caught:
        WanVae(tmp_path)
    assert "\n" not in str(caught.value)

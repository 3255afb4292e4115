"""A fixed video codec with Wan's strides and frame layout, so that generated video can be viewed without a download.

An orthonormal transform of 8x8 px, 4 frames and 3 colours, of whose 768 coefficients a latent keeps the 16 with most
of the energy of a rendered clip; decoding sets the others to 0, so decode(encode(.)) is an orthogonal projection.
Latent 0 stands for frame 0 alone, held for 4 frames; latent k for frames 4k-3 .. 4k, so the codec is causal.

- colour: luminance and two differences, orthonormal;
- space: a lapped transform, an 8-point DCT after rotations across the block borders, against blocking artefacts;
- time: a 4-point DCT.

On the demo's rendered clips decode(encode(.)) has a PSNR of 27.6 dB on average (25.1 dB for the worst of 15) at 128x96
and 8 frames a second, and 29.4 dB (27.1 dB) at 192x144 and 16: blurred, but person, pose, clothes and room are
recognisable. A face is not, and a hand that crosses several blocks within 4 frames fades.
"""

import math
from functools import lru_cache

import torch

from humove.ids import hash_settings

# B: samples; T: frames; H W: px; 3: RGB; C: latent channels; F h w: latents' frames, rows, columns;
# k: colours; s: a coefficient in time; u v: coefficients down and across; y x: blocks down and across

STRIDE, FRAMES = 8, 4
"""px and frames of a latent."""

# A coefficient in time, colour, down and across (0 is the mean), and its root mean square over the demo's clips
# (128x96, 8 frames a second).
_KEPT = (
    ((0, 0, 0, 0), 8.63), ((0, 1, 0, 0), 3.28), ((0, 2, 0, 0), 2.39), ((0, 0, 0, 1), 2.03),
    ((0, 0, 1, 0), 1.89), ((0, 0, 0, 2), 1.04), ((0, 0, 2, 0), 0.99), ((0, 0, 1, 1), 0.89),
    ((1, 0, 0, 0), 0.81), ((0, 0, 3, 0), 0.70), ((0, 0, 0, 3), 0.66), ((0, 1, 0, 1), 0.57),
    ((2, 0, 0, 0), 0.56), ((0, 1, 1, 0), 0.55), ((1, 0, 0, 1), 0.55), ((0, 0, 1, 2), 0.55),
)  # fmt: skip
CHANNELS = len(_KEPT)
SCALES = tuple(scale for _, scale in _KEPT)
"""Divisors of the coefficients, so that latents have a variance of about one."""
_BANDS = 4
"""Number of coefficients computed along each spatial axis: none above is kept."""
_TURNS = (-0.1565, -0.0929, -0.0410)
"""Angles of the lapped transform, in half turns, to put most of an AR(1) signal (0.95) into 3 of 8 coefficients."""
_COLOURS = ((1, 1, 1), (1, 0, -1), (1, -2, 1))


class DctCodec:
    """The codec as a video encoder on a torch `device`."""

    name = "lapped-dct"
    hash = hash_settings({"version": 1, "kept": _KEPT, "turns": _TURNS, "colours": _COLOURS})
    stride = STRIDE

    def __init__(self, device: str = "cpu") -> None:
        self._device = torch.device(device)

    def encode_video(self, video_BTHW3: torch.Tensor) -> torch.Tensor:
        """Encode uint8 RGB, T = 4k+1, H and W multiples of 8, to latents_BCFhw float32, C 16, F = k+1."""
        return analyse_video(video_BTHW3.to(self._device, torch.float32) / 127.5 - 1)

    def decode_video(self, latents_BCFhw: torch.Tensor) -> torch.Tensor:
        """Decode latents to uint8 RGB (B, 4F-3, 8h, 8w, 3)."""
        video_BTHW3 = synthesise_video(latents_BCFhw.to(self._device, torch.float32))
        return ((video_BTHW3 + 1) * 127.5).round().clamp(0, 255).to(torch.uint8)


def analyse_video(video_BTHW3: torch.Tensor) -> torch.Tensor:
    """Transform frames, -1 black and 1 white, to latents_BCFhw. ValueError for a size that is not of whole latents."""
    samples, frames, height, width, _ = video_BTHW3.shape
    if frames % FRAMES != 1 or height % STRIDE or width % STRIDE:
        raise ValueError(f"{frames} frames of {width}x{height}: need 4k+1 frames, multiples of {STRIDE} px")
    like = {"device": video_BTHW3.device, "dtype": video_BTHW3.dtype}
    plane_BTkyuxv = torch.einsum(
        "bthwc,kc,yuh,xvw->btkyuxv",
        video_BTHW3,
        _build_colours(**like),
        _build_lines(height, **like),
        _build_lines(width, **like),
    )
    held_BTkyuxv = torch.cat([plane_BTkyuxv[:, :1].expand(-1, FRAMES - 1, *(-1,) * 5), plane_BTkyuxv], 1)
    groups = held_BTkyuxv.unflatten(1, (-1, FRAMES))
    whole_skuvBFyx = torch.einsum("bftkyuxv,st->skuvbfyx", groups, _build_dct(FRAMES, **like))
    latents_CBFyx = torch.stack([whole_skuvBFyx[place] / scale for place, scale in _KEPT])
    return latents_CBFyx.transpose(0, 1)


def synthesise_video(latents_BCFhw: torch.Tensor) -> torch.Tensor:
    """Transform latents to frames, -1 black and 1 white, not clipped: the inverse of `analyse_video`. Latent 0's
    coefficients of change in time are taken as 0."""
    samples, channels, frames, high, wide = latents_BCFhw.shape
    if channels != CHANNELS:
        raise ValueError(f"latents of {channels} channels: the codec's have {CHANNELS}")
    like = {"device": latents_BCFhw.device, "dtype": latents_BCFhw.dtype}
    whole_skuvBFyx = latents_BCFhw.new_zeros(FRAMES, 3, _BANDS, _BANDS, samples, frames, high, wide)
    for channel, (place, scale) in enumerate(_KEPT):
        whole_skuvBFyx[place] = latents_BCFhw[:, channel] * scale
    whole_skuvBFyx[1:, ..., 0, :, :] = 0
    planes_BFtkyuxv = torch.einsum("skuvbfyx,st->bftkyuxv", whole_skuvBFyx, _build_dct(FRAMES, **like))
    return torch.einsum(
        "btkyuxv,kc,yuh,xvw->bthwc",
        planes_BFtkyuxv.flatten(1, 2)[:, FRAMES - 1 :],
        _build_colours(**like), _build_lines(STRIDE * high, **like), _build_lines(STRIDE * wide, **like),
    )  # fmt: skip


def _build_colours(*, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    rows = torch.tensor(_COLOURS, dtype=torch.float64)
    return (rows / rows.norm(dim=1, keepdim=True)).to(device, dtype)


def _build_dct(size: int, *, device: torch.device | str = "cpu", dtype: torch.dtype = torch.float64) -> torch.Tensor:
    """Return a DCT (size, size), orthonormal, one coefficient per row."""
    places = torch.arange(size, dtype=torch.float64)
    rows = torch.cos(math.pi * (places + 0.5) * places[:, None] / size) * math.sqrt(2 / size)
    rows[0] /= math.sqrt(2)
    return rows.to(device, dtype)


@lru_cache(maxsize=32)
def _build_lines(size: int, *, device: torch.device, dtype: torch.dtype) -> torch.Tensor:
    """Return the lapped transform of a line of `size` px: (blocks, 4 coefficients of each, size), orthonormal."""
    blocks = size // STRIDE
    transform = torch.block_diag(*[_build_dct(STRIDE)] * blocks)
    half = STRIDE // 2
    border = _build_border_rotation()
    for start in range(half, size - STRIDE, STRIDE):  # from the middle of a block to that of the next
        transform[:, start : start + STRIDE] = transform[:, start : start + STRIDE] @ border
    return transform.reshape(blocks, STRIDE, size)[:, :_BANDS].to(device, dtype)


def _build_border_rotation() -> torch.Tensor:
    """Return (8, 8) orthonormal, symmetric about a border between blocks: it rotates the odd part."""
    half = STRIDE // 2
    same, mirror = torch.eye(half, dtype=torch.float64), torch.eye(half, dtype=torch.float64).flip(0)
    butterfly = torch.cat([torch.cat([same, mirror], 1), torch.cat([mirror, -same], 1)])
    turn = same
    for place, half_turns in enumerate(_TURNS):
        sine, cosine = math.sin(math.pi * half_turns), math.cos(math.pi * half_turns)
        step = same.clone()
        step[place : place + 2, place : place + 2] = torch.tensor([[cosine, -sine], [sine, cosine]], dtype=step.dtype)
        turn = turn @ step
    return butterfly @ torch.block_diag(same, turn) @ butterfly / 2

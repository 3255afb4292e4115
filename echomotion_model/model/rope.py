"""MVS-RoPE: one rotary table for video and motion tokens (the paper's equations 2 and 3).

Equation 2: the video token at (t, h, w) of the token grid gets R(t, h, w), as in Wan. Equation 3: token i of
frame t of the motion gets R(t/4, H+i, W+i), where H and W are the size of the video's token grid, so that it lies
beyond every video token in space, and at the time of the latent that holds its frame.

A head's channels are rotated in neighbouring pairs: the first pairs by time, then by height, then by width (44, 42 and
42 of 128 channels). Angles are computed in float64: at t = 4k a motion row's time equals that of latent k bit for bit,
since 4k/4 is k.

Shape suffixes: F latents, N video tokens, M motion tokens, P pairs of a head.
"""

import torch

from echomotion_model.motion.layout import TOKENS

THETA = 10000.0
RotaryTable = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines, each (1, tokens, 1, P) float32."""


def split_head_dim(head_dim: int) -> tuple[int, int, int]:
    """Return how many of a head's channels are rotated by time, height and width, as in Wan."""
    side = 2 * (head_dim // 6)
    return head_dim - 2 * side, side, side


def build_video_table(grid_FHW: tuple[int, int, int], head_dim: int, device: torch.device | str = "cpu") -> RotaryTable:
    """Build the rows of the video tokens, time outermost and width innermost (equation 2)."""
    axes = [
        _compute_angles(torch.arange(size), dims) for size, dims in zip(grid_FHW, split_head_dim(head_dim), strict=True)
    ]
    shapes = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))
    return _build_table(
        [axis.reshape(*shape, axis.shape[-1]) for axis, shape in zip(axes, shapes, strict=True)], grid_FHW, device
    )


def build_motion_table(
    times: torch.Tensor, grid_HW: tuple[int, int], head_dim: int, device: torch.device | str = "cpu"
) -> RotaryTable:
    """Build the rows of the motion tokens, 51 per frame (equation 3). `times` (T,): each frame's, in latents."""
    along, high, wide = split_head_dim(head_dim)
    places = torch.arange(TOKENS)
    axes = [
        _compute_angles(times, along)[:, None],
        _compute_angles(grid_HW[0] + places, high)[None],
        _compute_angles(grid_HW[1] + places, wide)[None],
    ]
    return _build_table(axes, (len(times), TOKENS), device)


def compute_frame_times(frames: int, stride: int, centred: bool = False) -> torch.Tensor:
    """Return (frames,) float64: the time of each frame in latents: t/4 at Wan's stride of 4.

    Latent k of a causal codec holds frames 4k-3 to 4k, whose mean under t/4 is 0.375 of a latent early. `centred`
    shifts them so that their mean is k; latent 0 holds frame 0 alone.
    """
    times = torch.arange(frames, dtype=torch.float64)
    if centred:
        times[1:] += (stride - 1) / 2
    return times / stride


def apply_rotary(x_BLHK: torch.Tensor, table: RotaryTable) -> torch.Tensor:
    """Rotate the channel pairs of each head, in float32; the result has the dtype of x."""
    a, b = x_BLHK.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = table
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2).type_as(x_BLHK)


def _compute_angles(positions: torch.Tensor, dims: int) -> torch.Tensor:
    """Return (positions, dims / 2) float64 rad."""
    frequencies = 1.0 / THETA ** (torch.arange(0, dims, 2, dtype=torch.float64, device="cpu") / dims)
    return torch.outer(positions.double(), frequencies)


def _build_table(axes: list[torch.Tensor], sizes: tuple[int, ...], device: torch.device | str) -> RotaryTable:
    # The axes are small: sines are computed on the CPU, whose float64 is reproducible, and expanded on the device.
    def expand_axes(values: list[torch.Tensor]) -> torch.Tensor:
        wide = [value.float().to(device).expand(*sizes, -1) for value in values]
        return torch.cat(wide, -1).flatten(0, len(sizes) - 1)[None, :, None]

    return expand_axes([axis.cos() for axis in axes]), expand_axes([axis.sin() for axis in axes])

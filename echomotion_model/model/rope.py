"""MVS-RoPE: one rotary table for video and motion tokens (the paper's equations 2 and 3).

Equation 2: the video token at (t, h, w) of the token grid gets R(t, h, w), exactly as in Wan. Equation 3: token i of
frame t of the motion gets R(t/4, H+i, W+i), where H and W are the size of the video's token grid, so that it lies
beyond every video token in space, and beside the latent that holds its frame in time.

A head's numbers are rotated in neighbouring pairs: the first pairs by the time, then by the height, then by the width
(44, 42 and 42 of 128 numbers). Angles are taken in float64: at t = 4k a motion row's time is that of latent k bit for
bit, since 4k/4 is k.

Shape suffixes: F latents, N video tokens, M motion tokens, P pairs of a head.
"""

import torch

from echomotion_model.motion.layout import TOKENS

THETA = 10000.0
Rotary = tuple[torch.Tensor, torch.Tensor]
"""Cosines and sines, each (1, tokens, 1, P) float32."""


def axis_dims(head_dim: int) -> tuple[int, int, int]:
    """How many of a head's numbers are turned by time, by height and by width: Wan's rule."""
    side = 2 * (head_dim // 6)
    return head_dim - 2 * side, side, side


def video_table(grid_FHW: tuple[int, int, int], head_dim: int, device: torch.device | str = "cpu") -> Rotary:
    """Rows of the video tokens, time outermost and width innermost (equation 2)."""
    axes = [_angles(torch.arange(size), dims) for size, dims in zip(grid_FHW, axis_dims(head_dim), strict=True)]
    shapes = ((-1, 1, 1), (1, -1, 1), (1, 1, -1))
    return _rotary(
        [axis.reshape(*shape, axis.shape[-1]) for axis, shape in zip(axes, shapes, strict=True)], grid_FHW, device
    )


def motion_table(
    times: torch.Tensor, grid_HW: tuple[int, int], head_dim: int, device: torch.device | str = "cpu"
) -> Rotary:
    """Rows of the motion tokens, frame by frame, 51 each (equation 3). `times` (T,): each frame's, in latents."""
    along, high, wide = axis_dims(head_dim)
    places = torch.arange(TOKENS)
    axes = [
        _angles(times, along)[:, None],
        _angles(grid_HW[0] + places, high)[None],
        _angles(grid_HW[1] + places, wide)[None],
    ]
    return _rotary(axes, (len(times), TOKENS), device)


def frame_times(frames: int, stride: int, centred: bool = False) -> torch.Tensor:
    """(frames,) float64: when each frame is, in latents: t/4 at Wan's stride of 4.

    Latent k of a causal codec holds frames 4k-3 to 4k, which t/4 puts 0.375 of a latent early on average. `centred`
    moves them so that their mean is k; latent 0 holds frame 0 alone.
    """
    times = torch.arange(frames, dtype=torch.float64)
    if centred:
        times[1:] += (stride - 1) / 2
    return times / stride


def rotate(x_BLHK: torch.Tensor, table: Rotary) -> torch.Tensor:
    """Turns the pairs of numbers of each head; in float32, back in the type of x."""
    a, b = x_BLHK.unflatten(-1, (-1, 2)).unbind(-1)
    cos, sin = table
    return torch.stack([a * cos - b * sin, a * sin + b * cos], -1).flatten(-2).type_as(x_BLHK)


def _angles(positions: torch.Tensor, dims: int) -> torch.Tensor:
    """(positions, dims / 2) float64 rad."""
    frequencies = 1.0 / THETA ** (torch.arange(0, dims, 2, dtype=torch.float64, device="cpu") / dims)
    return torch.outer(positions.double(), frequencies)


def _rotary(axes: list[torch.Tensor], sizes: tuple[int, ...], device: torch.device | str) -> Rotary:
    # Each axis is small: sines are taken of it, on the CPU, whose float64 does not vary, and spread on the device.
    def spread(values: list[torch.Tensor]) -> torch.Tensor:
        wide = [value.float().to(device).expand(*sizes, -1) for value in values]
        return torch.cat(wide, -1).flatten(0, len(sizes) - 1)[None, :, None]

    return spread([axis.cos() for axis in axes]), spread([axis.sin() for axis in axes])

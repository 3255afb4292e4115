"""MVS-RoPE against Wan's own table and the paper's two equations."""

import pytest
import torch
from diffusers.models.transformers.transformer_wan import WanRotaryPosEmbed
from hypothesis import given, settings
from hypothesis import strategies as st

from echomotion_model.model.rope import (
    apply_rotary,
    build_motion_table,
    build_video_table,
    compute_frame_times,
    split_head_dim,
)
from echomotion_model.motion.layout import TOKENS

HEADS = (24, 32, 64, 128)


def wans(grid: tuple[int, int, int], head_dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Wan stores each pair's number twice."""
    cos, sin = WanRotaryPosEmbed(head_dim, (1, 1, 1), 1024)(torch.empty(1, 1, *grid))
    assert torch.equal(cos[..., 0::2], cos[..., 1::2])
    return cos[..., 0::2], sin[..., 1::2]


def test_a_head_of_128_splits_as_wans() -> None:
    assert split_head_dim(128) == (44, 42, 42)
    assert split_head_dim(24) == (8, 8, 8)


@pytest.mark.parametrize("head_dim", HEADS)
@pytest.mark.parametrize("grid", [(1, 1, 1), (3, 4, 6), (21, 30, 52)])
def test_video_rows_are_wans_bit_for_bit(grid: tuple[int, int, int], head_dim: int) -> None:
    for ours, theirs in zip(build_video_table(grid, head_dim), wans(grid, head_dim), strict=True):
        assert ours.dtype == torch.float32 and torch.equal(ours, theirs)


@pytest.mark.parametrize("head_dim", HEADS)
def test_frame_4k_stands_at_the_time_of_latent_k(head_dim: int) -> None:
    frames, grid = 121, (2, 3)
    along = split_head_dim(head_dim)[0] // 2
    for ours, theirs in zip(
        build_motion_table(compute_frame_times(frames, 4), grid, head_dim), wans((31, 1, 1), head_dim), strict=True
    ):
        rows = ours.unflatten(1, (frames, TOKENS))[0, ::4, :, 0, :along]
        assert torch.equal(rows, theirs[0, :, None, 0, :along].expand(-1, TOKENS, -1))


@pytest.mark.parametrize("grid", [(4, 6), (30, 52)])
def test_token_i_stands_at_h_plus_i_and_w_plus_i(grid: tuple[int, int]) -> None:
    """Equation 3, read off Wan's table of a video so large that it reaches there."""
    frames, head_dim = 9, 128
    height, width = grid
    reach = wans((3, height + TOKENS, width + TOKENS), head_dim)
    for ours, theirs in zip(build_motion_table(compute_frame_times(frames, 4), grid, head_dim), reach, strict=True):
        rows = ours.unflatten(1, (frames, TOKENS))[0, :, :, 0]
        cells = theirs.unflatten(1, (3, height + TOKENS, width + TOKENS))[0, ..., 0, :]
        for i in range(TOKENS):
            assert torch.equal(rows[::4, i], cells[:, height + i, width + i])


def test_times_between_latents_turn_by_a_quarter() -> None:
    cos, sin = build_motion_table(compute_frame_times(2, 4), (1, 1), 128)
    angle = torch.atan2(sin, cos).unflatten(1, (2, TOKENS))[0, :, 0, 0, 0]
    assert angle.tolist() == pytest.approx([0.0, 0.25])  # the first frequency is one radian a latent


@settings(max_examples=30, deadline=None)
@given(latents=st.integers(1, 4), height=st.integers(1, 8), width=st.integers(1, 8))
def test_no_motion_token_shares_a_position_with_a_video_token(latents: int, height: int, width: int) -> None:
    video = torch.cat(build_video_table((latents, height, width), 24), -1)[0, :, 0]
    motion = torch.cat(build_motion_table(compute_frame_times(4 * latents - 3, 4), (height, width), 24), -1)[0, :, 0]
    rows = torch.cat([video, motion])
    assert len(rows.unique(dim=0)) == len(rows)  # nor with another motion token


def test_colliding_positions_do_collide() -> None:
    video = torch.cat(build_video_table((2, 4, 6), 24), -1)[0, :, 0]
    motion = torch.cat(build_motion_table(compute_frame_times(5, 4), (0, 0), 24), -1)[0, :, 0]
    rows = torch.cat([video, motion])
    assert len(rows) - len(rows.unique(dim=0)) == 2 * 4  # both latents' diagonals


def test_centred_times_have_their_latents_as_means() -> None:
    times = compute_frame_times(81, 4, centred=True)
    assert times[0] == 0
    assert torch.equal(times[1:].reshape(20, 4).mean(1), torch.arange(1, 21).double())
    assert torch.equal(compute_frame_times(81, 4)[1:].reshape(20, 4).mean(1), torch.arange(1, 21) - 0.375)


def test_turning_depends_on_the_distance_alone() -> None:
    rng = torch.Generator().manual_seed(0)
    query, key = torch.randn(2, 1, 1, 1, 128, generator=rng)
    times = torch.tensor([0.0, 1.25, 3.0, 4.25], dtype=torch.float64)
    cos, sin = (part.unflatten(1, (4, TOKENS))[:, :, 0] for part in build_motion_table(times, (5, 5), 128))
    turned = [[apply_rotary(x, (cos[:, i : i + 1], sin[:, i : i + 1])) for i in range(4)] for x in (query, key)]
    scores = [(turned[0][i] * turned[1][j]).sum() for i, j in ((0, 1), (2, 3))]
    assert scores[0] == pytest.approx(float(scores[1]), abs=1e-4)
    assert apply_rotary(query.bfloat16(), (cos[:, 1:2], sin[:, 1:2])).dtype == torch.bfloat16

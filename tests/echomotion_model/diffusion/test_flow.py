"""Wan's convention: sigma 1 is noise, the velocity is noise - clean, a grid is shifted once."""

import torch

from echomotion_model.diffusion.flow import add_noise, build_sigma_grid, compute_velocity, shift_sigma


def test_the_grid_is_pinned():
    """8s / (1 + 7s) at s = 1, 3/4, 1/2, 1/4, by hand."""
    torch.testing.assert_close(
        build_sigma_grid(4, 8), torch.tensor([1, 24 / 25, 8 / 9, 8 / 11, 0], dtype=torch.float64)
    )
    torch.testing.assert_close(build_sigma_grid(4, 1), torch.tensor([1, 0.75, 0.5, 0.25, 0], dtype=torch.float64))


def test_fifty_steps_run_from_noise_to_zero():
    grid = build_sigma_grid(50, 8.0)
    assert len(grid) == 51 and grid[0] == 1 and grid[-1] == 0 and (grid.diff() < 0).all()
    assert abs(float(grid[49]) - 0.16 / 1.14) < 1e-12  # 8 * 0.02 / (1 + 7 * 0.02); shifted twice it would be 0.566


def test_a_shift_of_8_leaves_little_time_below_a_tenth():
    even = (torch.arange(100_000, dtype=torch.float64) + 0.5) / 1e5
    assert abs(float((shift_sigma(even, 8) < 0.1).double().mean()) - 0.0137) < 2e-4


def test_the_velocity_leads_from_clean_to_noise():
    clean, noise = torch.randn(3, 4, generator=torch.Generator().manual_seed(0)), torch.ones(3, 4)
    sigma = torch.tensor([0.0, 0.3, 1.0])
    state = add_noise(clean, noise, sigma)
    assert torch.equal(state[0], clean[0]) and torch.equal(state[2], noise[2])
    torch.testing.assert_close(state - sigma[:, None] * compute_velocity(clean, noise), clean)
    torch.testing.assert_close(state + (1 - sigma)[:, None] * compute_velocity(clean, noise), noise)

"""The average of the weights."""

import pytest
import torch
from torch import nn

from echomotion_model.train.ema import Ema


def test_the_average_follows_its_decay() -> None:
    model = nn.Linear(2, 1, bias=False)
    model.weight.data.fill_(1.0)
    ema = Ema(model.named_parameters(), decay=0.5)
    model.weight.data.fill_(3.0)
    ema.update(model.named_parameters())
    # The first step keeps (1 + 1) / (10 + 1) of the average, which is less than the decay.
    assert ema.weights["weight"].flatten().tolist() == pytest.approx([2 / 11 + 3 * 9 / 11] * 2)
    for _ in range(200):
        ema.update(model.named_parameters())
    before = ema.weights["weight"].clone()
    model.weight.data.fill_(5.0)
    ema.update(model.named_parameters())
    torch.testing.assert_close(ema.weights["weight"], before * 0.5 + 2.5)


def test_frozen_weights_do_not_change_and_swapping_twice_restores() -> None:
    model = nn.Linear(2, 2)
    model.bias.requires_grad_(False)
    ema = Ema(model.named_parameters(), decay=0.9)
    bias = ema.weights["bias"].clone()
    model.weight.data.add_(1)
    ema.update(model.named_parameters())
    assert torch.equal(ema.weights["bias"], bias)
    weights, average = model.weight.detach().clone(), ema.weights["weight"].clone()
    ema.swap(model.named_parameters())
    assert torch.equal(model.weight, average)
    ema.swap(model.named_parameters())
    assert torch.equal(model.weight, weights) and torch.equal(ema.weights["weight"], average)

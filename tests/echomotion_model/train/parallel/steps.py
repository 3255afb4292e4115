"""A few optimizer steps of a small model on fixed data, by however many processes the `World` has."""

import torch
from torch import nn

from echomotion_model.model.config import ModelConfig
from echomotion_model.model.transformer import EchoMotionTransformer, is_motion
from echomotion_model.train.ema import Ema
from echomotion_model.train.optimizer import OptimizerConfig, make_optimizer, set_rate
from echomotion_model.train.state import named
from echomotion_model.train.world import World
from tests.echomotion_model.model.small import echo

# Three latents of 4x6 tokens are 72 video tokens; nine frames are 459 motion tokens, which two ranks can't halve.
CONFIG = ModelConfig(heads=2, head_dim=24, ffn_dim=64, layers=2, text_dim=20, freq_dim=32, motion_hidden=24)
GRID = (4, 6)
SAMPLES, STEPS = 2, 3
SETTINGS = {
    "sharded": {"keep": "everything"},
    "recomputed": {"keep": "attention"},
    "bfloat16": {"precision": "bfloat16", "keep": "projections"},
    "sequence": {"sequence": 2},
}
PHASES = {"phases": {"precision": "bfloat16"}}


def inputs(number: int) -> tuple[torch.Tensor, ...]:
    """Sample `number`, alone in its batch, as the model takes it."""
    rng = torch.Generator().manual_seed(100 + number)

    def normal(*shape: int) -> torch.Tensor:
        return torch.randn(1, *shape, generator=rng)

    times = torch.tensor([300.0 + number]), torch.tensor([500.0 - number])
    return normal(16, 3, 8, 12), normal(9, 235), normal(7, 20), *times, torch.tensor([number % 3])


def loss_of(model: nn.Module, number: int, *, phase: str = "paired") -> torch.Tensor:
    video, *others = inputs(number)
    answers = model(video if phase == "paired" else None, *others, GRID)
    return sum((each.float() - 1).square().mean() for each in answers if each is not None)


def whole(tensor: torch.Tensor) -> torch.Tensor:
    """All of a tensor that may be in shards; every rank must ask."""
    tensor = tensor.detach()
    return (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).clone()


def run(
    world: World, config: ModelConfig = CONFIG, *, phases: tuple[str, ...] = ("paired",)
) -> dict[str, torch.Tensor]:
    """Losses and first gradients of the last phase, last weights and their average, by name."""
    model: EchoMotionTransformer = world.wrap(echo(config), 1)
    found: dict[str, torch.Tensor] = {}
    ema = Ema(named(model), 0.9)
    for phase in phases:
        for name, parameter in named(model):
            parameter.requires_grad_(phase == "paired" or is_motion(name))
        optimizer = make_optimizer(named(model), OptimizerConfig())
        set_rate(optimizer, 1e-3)
        for step in range(STEPS):
            optimizer.zero_grad()
            mine = range(world.rank, SAMPLES, world.size)
            loss = torch.stack([loss_of(model, number, phase=phase) for number in mine]).mean()
            loss.backward()
            found[f"loss.{step}"] = world.sum(loss.detach()[None]) / world.size
            if step == 0 and phase == phases[-1]:
                found |= {f"grad.{name}": whole(parameter.grad) for name, parameter in named(model)}
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            found[f"norm.{step}"] = whole(norm)[None]
            optimizer.step()
            ema.update(named(model))
        optimizer.zero_grad()
    with torch.no_grad():
        found |= {f"answer.{i}": each.float() for i, each in enumerate(model(*inputs(7)))}
    found |= {f"weight.{name}": whole(parameter) for name, parameter in named(model)}
    return found | {f"ema.{name}": whole(weights) for name, weights in ema.weights.items()}


def run_phases(world: World) -> dict[str, torch.Tensor]:
    """Both phases of a model of which every second block has nothing that trains in the first."""
    return run(world, CONFIG.model_copy(update={"dual_every": 2}), phases=("motion", "paired"))

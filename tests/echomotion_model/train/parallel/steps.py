"""A few optimizer steps of a small model on fixed data, in any number of processes."""

import torch
from torch import nn

from echomotion_model.model.config import ModelConfig
from echomotion_model.model.transformer import EchoMotionTransformer, is_motion_parameter
from echomotion_model.train.ema import Ema
from echomotion_model.train.optimizer import OptimizerConfig, make_optimizer, set_rate
from echomotion_model.train.run.dist_context import DistContext
from echomotion_model.train.run.state import list_parameters
from tests.echomotion_model.model.small import echo

# Three latents of 4x6 tokens are 72 video tokens; nine frames are 459 motion tokens, which two ranks can't halve.
CONFIG = ModelConfig(heads=2, head_dim=24, ffn_dim=64, layers=2, text_dim=20, freq_dim=32, motion_hidden=24)
GRID = (4, 6)
SAMPLES, STEPS = 2, 3
SETTINGS = {
    "sharded": {"activation_checkpointing": "none"},
    "recomputed": {"activation_checkpointing": "selective-attention"},
    "bfloat16": {"precision": "bfloat16", "activation_checkpointing": "selective-projections"},
    "sequence": {"ulysses_degree": 2},
}
PHASES = {"phases": {"precision": "bfloat16"}}


def make_inputs(number: int) -> tuple[torch.Tensor, ...]:
    """Make the model's inputs for sample `number`, as a batch of one."""
    rng = torch.Generator().manual_seed(100 + number)

    def draw(*shape: int) -> torch.Tensor:
        return torch.randn(1, *shape, generator=rng)

    times = torch.tensor([300.0 + number]), torch.tensor([500.0 - number])
    return draw(16, 3, 8, 12), draw(9, 235), draw(7, 20), *times, torch.tensor([number % 3])


def compute_loss(model: nn.Module, number: int, *, phase: str = "paired") -> torch.Tensor:
    video, *others = make_inputs(number)
    answers = model(video if phase == "paired" else None, *others, GRID)
    return sum((each.float() - 1).square().mean() for each in answers if each is not None)


def gather_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """Gather a tensor that may be sharded; every rank must call this."""
    tensor = tensor.detach()
    return (tensor.full_tensor() if hasattr(tensor, "full_tensor") else tensor).clone()


def run(
    context: DistContext, config: ModelConfig = CONFIG, *, phases: tuple[str, ...] = ("paired",)
) -> dict[str, torch.Tensor]:
    """Train, and return losses and first gradients of the last phase, last weights and their average, by name."""
    model: EchoMotionTransformer = context.wrap_model(echo(config), 1)
    found: dict[str, torch.Tensor] = {}
    ema = Ema(list_parameters(model), 0.9)
    for phase in phases:
        for name, parameter in list_parameters(model):
            parameter.requires_grad_(phase == "paired" or is_motion_parameter(name))
        optimizer = make_optimizer(list_parameters(model), OptimizerConfig())
        set_rate(optimizer, 1e-3)
        for step in range(STEPS):
            optimizer.zero_grad()
            numbers = range(context.rank, SAMPLES, context.size)
            loss = torch.stack([compute_loss(model, number, phase=phase) for number in numbers]).mean()
            loss.backward()
            found[f"loss.{step}"] = context.sum_over_ranks(loss.detach()[None]) / context.size
            if step == 0 and phase == phases[-1]:
                found |= {f"grad.{name}": gather_tensor(parameter.grad) for name, parameter in list_parameters(model)}
            norm = nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            found[f"norm.{step}"] = gather_tensor(norm)[None]
            optimizer.step()
            ema.update(list_parameters(model))
        optimizer.zero_grad()
    with torch.no_grad():
        found |= {f"answer.{i}": each.float() for i, each in enumerate(model(*make_inputs(7)))}
    found |= {f"weight.{name}": gather_tensor(parameter) for name, parameter in list_parameters(model)}
    return found | {f"ema.{name}": gather_tensor(weights) for name, weights in ema.weights.items()}


def run_phases(context: DistContext) -> dict[str, torch.Tensor]:
    """Run both phases of a model of which every second block is frozen in the first."""
    return run(context, CONFIG.model_copy(update={"dual_every": 2}), phases=("motion", "paired"))

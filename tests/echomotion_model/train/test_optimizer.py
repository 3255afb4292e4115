"""The learning rate, and the state that exists from the start."""

import pytest
import torch
from torch import nn

from echomotion_model.model.config import load_preset
from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.train.lora import LoraConfig, add_lora
from echomotion_model.train.optimizer import OptimizerConfig, PhaseConfig, make_optimizer, set_rate


def test_the_rate_warms_up_stays_and_decays_to_zero() -> None:
    phase = PhaseConfig(steps=100, learning_rate=2.0, warmup_steps=9, cooldown=0.5)
    rates = [phase.compute_rate(step) for step in range(100)]
    assert rates[0] == pytest.approx(0.2) and rates[9:51] == [2.0] * 42
    assert rates[75] == pytest.approx(1.0) and 0 < rates[99] < 0.01
    assert rates[50:] == sorted(rates[50:], reverse=True)
    assert {PhaseConfig(steps=5, learning_rate=2.0).compute_rate(step) for step in range(5)} == {2.0}


def test_the_initial_state_trains_as_adamws_own() -> None:
    def train(make: object) -> list[torch.Tensor]:
        torch.manual_seed(0)
        model = nn.Linear(3, 2)
        optimizer = make(model)
        for _ in range(3):
            optimizer.zero_grad()
            model(torch.ones(1, 3)).square().sum().backward()
            set_rate(optimizer, 0.1)
            optimizer.step()
        return [parameter.detach() for parameter in model.parameters()]

    config = OptimizerConfig(weight_decay=0.1)
    ours = train(lambda model: make_optimizer(model.named_parameters(), config))
    plain = train(
        lambda model: torch.optim.AdamW(
            [{"params": [model.weight], "weight_decay": 0.1}, {"params": [model.bias], "weight_decay": 0.0}], fused=True
        )
    )
    assert all(torch.equal(a, b) for a, b in zip(ours, plain, strict=True))


def test_matrices_decay_and_tables_of_vectors_do_not() -> None:
    with torch.device("meta"):
        model = EchoMotionTransformer(load_preset("tiny"))
        model = add_lora(model, LoraConfig(rank=2), seed=0).requires_grad_(True)
    names = {parameter: name for name, parameter in model.named_parameters()}
    optimizer = make_optimizer(model.named_parameters(), OptimizerConfig(weight_decay=0.1))
    decayed = {names[each] for group in optimizer.param_groups if group["weight_decay"] for each in group["params"]}
    left = set(names.values()) - decayed
    assert {name.rpartition(".")[2] for name in decayed} == {"weight", "lora_down", "lora_up"}
    assert {"scale_shift_table", "motion_scale_shift_table", "motion_in.token_bias"} <= left
    assert {"blocks.0.scale_shift_table", "blocks.0.motion.scale_shift_table", "blocks.0.norm2.weight"} <= left
    assert {"patch_embedding.weight", "blocks.0.ffn.net.2.weight"} <= decayed


def test_frozen_parameters_have_no_state() -> None:
    model = nn.Linear(3, 2)
    model.bias.requires_grad_(False)
    assert set(make_optimizer(model.named_parameters(), OptimizerConfig()).state) == {model.weight}

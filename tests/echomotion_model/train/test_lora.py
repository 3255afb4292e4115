"""Adapters: no effect at the start, the only trained weights of a layer, and merging."""

import pytest
import torch

from echomotion_model.model.config import ModelConfig
from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.train.lora import LoraConfig, add_lora, merge_lora
from humove.errors import UserError

CONFIG = ModelConfig(heads=2, head_dim=12, ffn_dim=48, layers=2, channels=4, text_dim=8, freq_dim=16, motion_hidden=20)


def make_model() -> EchoMotionTransformer:
    torch.manual_seed(0)
    model = EchoMotionTransformer(CONFIG)
    for parameter in model.parameters():  # zero-initialised heads would hide what is before them
        torch.nn.init.normal_(parameter, std=0.05)
    return model


def compute_output(model: EchoMotionTransformer) -> torch.Tensor:
    source = torch.Generator().manual_seed(1)
    video = torch.randn(1, 4, 2, 4, 4, generator=source)
    motion = torch.randn(1, 5, 235, generator=source)
    time = torch.full((1,), 500.0)
    velocity, moved = model(video, motion, torch.randn(1, 3, 8, generator=source), time, time, torch.zeros(1).long())
    return torch.cat([velocity.flatten(), moved.flatten()])


def test_adapters_change_nothing_before_training_and_merging_keeps_the_output() -> None:
    plain = compute_output(make_model())
    model = add_lora(make_model(), LoraConfig(rank=2), seed=0)
    assert torch.equal(compute_output(model), plain)
    compute_output(model).square().sum().backward()
    assert all((parameter.grad is not None) == parameter.requires_grad for _, parameter in model.named_parameters())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if name.endswith("lora_up"):
                parameter.normal_(std=0.1)
    learned = compute_output(model)
    assert not torch.allclose(learned, plain)
    merged = merge_lora(model)
    torch.testing.assert_close(compute_output(merged), learned, atol=1e-5, rtol=1e-4)
    assert merged.state_dict().keys() == make_model().state_dict().keys()


def test_wan_is_frozen_and_new_layers_train_fully() -> None:
    model = add_lora(make_model(), LoraConfig(rank=2), seed=0)
    training = {name for name, parameter in model.named_parameters() if parameter.requires_grad}
    assert all("lora_" in name or name.startswith(("motion_", "task_embedder.")) for name in training)
    assert {"blocks.0.attn1.to_q.lora_up", "blocks.1.motion.ffn.net.2.lora_down"} <= training
    assert any(name.startswith("motion_in.") for name in training)


def test_unknown_targets_are_named() -> None:
    with pytest.raises(UserError, match="lora.targets: no layer of the model ends in to_w"):
        add_lora(make_model(), LoraConfig(rank=2, targets=("to_w",)), seed=0)

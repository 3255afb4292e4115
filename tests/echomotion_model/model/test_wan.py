"""Without motion the model is Wan: held against diffusers' own, bit for bit."""

from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel

from echomotion_model.model.layers import is_always_float32
from echomotion_model.model.transformer import EchoMotionTransformer, is_motion_parameter
from tests.echomotion_model.model.small import SMALL, echo, inputs, wan


def with_weights_of(reference: WanTransformer3DModel, config=SMALL) -> EchoMotionTransformer:
    """Motion branches random, so that a trace of them would show."""
    model = echo(config)
    left = model.load_state_dict(reference.state_dict(), strict=False)
    assert not left.unexpected_keys and all(is_motion_parameter(name) for name in left.missing_keys)
    return model


def velocity(model: EchoMotionTransformer, **changes: object) -> torch.Tensor:
    given = {**inputs(), "motion_BTF": None, "timestep_motion_B": None, **changes}
    with torch.no_grad():
        return model(**given)[0]


def expected(reference: WanTransformer3DModel, dtype: torch.dtype = torch.float32) -> torch.Tensor:
    given = inputs()
    with torch.no_grad():
        return reference(given["video_BCFHW"].to(dtype), given["timestep_video_B"], given["text_BLD"].to(dtype)).sample


def in_bfloat16(reference: WanTransformer3DModel, folder: Path) -> WanTransformer3DModel:
    """As users get it: diffusers keeps its float32 modules when it loads, not when it is cast."""
    reference.save_pretrained(folder)
    return WanTransformer3DModel.from_pretrained(folder, torch_dtype=torch.bfloat16)


def test_every_name_is_wans_or_the_motions() -> None:
    names = set(echo().state_dict())
    assert {name for name in names if not is_motion_parameter(name)} == set(wan().state_dict())


@pytest.mark.parametrize("changes", [{}, {"dual_every": 2}, {"heads": 3, "head_dim": 32, "channels": 5}])
def test_equals_diffusers_in_float32(changes: dict) -> None:
    config = SMALL.model_copy(update=changes)
    reference = wan(config)
    given = inputs(config)
    with torch.no_grad():
        ours, motion = with_weights_of(reference, config)(**{**given, "motion_BTF": None})
        theirs = reference(given["video_BCFHW"], given["timestep_video_B"], given["text_BLD"]).sample
    assert theirs.std() > 0.1
    assert torch.equal(ours, theirs) and motion is None


def test_equals_diffusers_in_bfloat16(tmp_path: Path) -> None:
    reference = wan()
    model = with_weights_of(reference).to(torch.bfloat16)
    theirs = expected(in_bfloat16(reference, tmp_path), torch.bfloat16)
    ours = velocity(model)
    assert ours.dtype == torch.bfloat16 and torch.equal(ours, theirs)


def test_float32_weights_with_bfloat16_tokens_equal_bfloat16_weights(tmp_path: Path) -> None:
    reference = in_bfloat16(wan(), tmp_path)
    model = with_weights_of(reference)
    model.compute_dtype = torch.bfloat16
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}
    assert torch.equal(velocity(model), expected(reference, torch.bfloat16))


def test_wrong_precision_would_be_detected(tmp_path: Path) -> None:
    reference = wan()
    plain = wan().to(torch.bfloat16)
    assert not torch.equal(expected(plain, torch.bfloat16), expected(in_bfloat16(reference, tmp_path), torch.bfloat16))


@pytest.mark.parametrize("cast", [lambda m: m.to(torch.bfloat16), lambda m: m.bfloat16(), lambda m: m.half()])
def test_float32_parts_stay_so_in_every_cast(cast, tmp_path: Path) -> None:
    model = cast(echo())
    for name, parameter in model.named_parameters():
        assert (parameter.dtype == torch.float32) == is_always_float32(name), name
    theirs = in_bfloat16(wan(), tmp_path).named_parameters()
    kept = {name for name, parameter in theirs if parameter.dtype == torch.float32}
    assert kept and kept == {
        name for name, p in model.named_parameters() if is_always_float32(name) and not is_motion_parameter(name)
    }


def test_the_task_makes_no_difference_before_training() -> None:
    torch.manual_seed(0)
    model = EchoMotionTransformer(SMALL)
    model.load_state_dict(wan().state_dict(), strict=False)
    assert torch.equal(velocity(model, task_B=torch.tensor([0, 2])), expected(wan()))


def test_gradients_equal_diffusers() -> None:
    reference = wan()
    model = with_weights_of(reference)
    given = inputs()
    model(**{**given, "motion_BTF": None})[0].square().sum().backward()
    reference(given["video_BCFHW"], given["timestep_video_B"], given["text_BLD"]).sample.square().sum().backward()
    for name, parameter in reference.named_parameters():
        assert torch.allclose(model.get_parameter(name).grad, parameter.grad, rtol=1e-4, atol=1e-4), name
    assert all(p.grad is None for name, p in model.named_parameters() if is_motion_parameter(name))

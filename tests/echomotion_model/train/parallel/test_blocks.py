"""Activation checkpointing, compilation and the attention kernel of blocks."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from echomotion_model.data.config import LoaderConfig
from echomotion_model.model.transformer import is_motion_parameter
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.parallel import blocks
from echomotion_model.train.parallel.attention import check_attention, select_attention_kernel
from echomotion_model.train.parallel.blocks import ATTENTION, PRODUCTS, make_block_runner, prepare_blocks
from echomotion_model.train.parallel.shapes import count_block_shapes
from humove.errors import UserError
from shards.buckets import BucketConfig
from tests.echomotion_model.model.small import echo
from tests.echomotion_model.train.parallel.steps import CONFIG, compute_loss

CPU = torch.device("cpu")


class OperationCounter(TorchDispatchMode):
    """Counts attention operations and matrix products."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = self.products = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        self.attention += function in ATTENTION
        self.products += function in PRODUCTS
        return function(*arguments, **(named or {}))


def compute_gradients(
    checkpointing: str, *, compiled: bool = False, backend: str = "aot_eager"
) -> dict[str, torch.Tensor]:
    model = echo(CONFIG)
    prepare_blocks(
        model,
        checkpointing=checkpointing,
        compiled=compiled,
        device=CPU,
        precision=torch.float32,
        shapes=1,
        backend=backend,
    )
    compute_loss(model, 0).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def count_operations(checkpointing: str) -> tuple[int, int]:
    """Count attention operations and products of a forward and a backward pass."""
    with OperationCounter() as counted:
        compute_gradients(checkpointing)
    return counted.attention, counted.products


def test_stored_activations_are_not_recomputed() -> None:
    """A dual block attends three times: both streams together, and each to the text. A branch has ten products, of
    which one widens; weights' gradients are products too, the same for all choices."""
    attention, products = count_operations("none")
    blocks_, branches = CONFIG.layers, 2 * CONFIG.layers
    assert attention == 3 * blocks_
    assert count_operations("selective-products") == (attention, products)
    assert count_operations("selective-projections") == (attention, products + branches)
    assert count_operations("selective-attention") == (attention, products + 10 * branches)
    assert count_operations("full") == (2 * attention, products + 10 * branches)


@pytest.mark.parametrize(
    "checkpointing", ["full", "selective-attention", "selective-projections", "selective-products"]
)
def test_recomputing_does_not_change_gradients(checkpointing: str) -> None:
    expected, found = compute_gradients("none"), compute_gradients(checkpointing)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_blocks_are_compiled_once_and_give_the_same_gradients() -> None:
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    expected, found = (
        compute_gradients("none"),
        compute_gradients("selective-attention", compiled=True, backend=counter),
    )
    assert counter.frame_count == 1
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)


def double(block: None, x: torch.Tensor) -> torch.Tensor:
    return 2 * x


def make_runner(shapes: int, counter: CompileCounterWithBackend) -> Callable:
    return make_block_runner(
        double, checkpointing="none", compiled=True, kernel=nullcontext, shapes=shapes, backend=counter
    )


@pytest.fixture
def low_limits() -> Iterator[None]:
    """Lower PyTorch's default limits, and reset what earlier tests have compiled."""
    torch._dynamo.reset()
    patched = {"recompile_limit": 0, "accumulated_recompile_limit": 8, "fail_on_recompile_limit_hit": False}
    with torch._dynamo.config.patch(patched):
        yield


def test_the_expected_number_of_shapes_is_compiled_and_another_is_an_error(low_limits: None) -> None:
    counter = CompileCounterWithBackend("eager")
    run = make_runner(70, counter)
    for length in range(1, 71):
        run(None, torch.zeros(length))
    assert counter.frame_count == 70
    with pytest.raises(UserError, match="compiled for 70 input shapes.*; set parallel.compile=never"):
        run(None, torch.zeros(71))
    make_runner(1, counter)(None, torch.zeros(71))  # earlier shapes do not count
    assert counter.frame_count == 71


def test_a_run_has_no_more_shapes_than_are_counted(low_limits: None) -> None:
    buckets = {"min_frames": 5, "max_frames": 5, "resolutions": [[64, 32], [64, 48]]}
    model_config = CONFIG.model_copy(update={"dual_every": 2})
    config = TrainConfig(model=model_config, data=LoaderConfig(buckets=BucketConfig(**buckets)))
    model, counter, expected = echo(model_config), CompileCounterWithBackend("eager"), count_block_shapes(config)
    prepare_blocks(
        model,
        checkpointing="none",
        compiled=True,
        device=CPU,
        precision=torch.float32,
        shapes=expected,
        backend=counter,
    )

    def run_passes(video: bool, motion: bool, batch: int) -> None:
        for width, height in config.data.buckets.resolutions:
            latents = torch.zeros(batch, 16, 2, height // 8, width // 8) if video else None
            features = torch.zeros(batch, 5, 235) if motion else None
            text, times, grid = torch.zeros(batch, 7, 20), torch.full((batch,), 500.0), (height // 16, width // 16)
            model(latents, features, text, times, times, torch.zeros(batch, dtype=torch.int64), grid)

    present = (True, False), (False, True), (True, True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_motion_parameter(name))
    run_passes(False, True, 3)
    model.requires_grad_(True)
    for streams in present:
        run_passes(*streams, 2)
        with torch.no_grad():
            run_passes(*streams, 1)
    assert counter.frame_count <= expected


@pytest.mark.parametrize("checkpointing", ["none", "selective-attention", "full"])
def test_recomputed_attention_uses_the_kernel_too(checkpointing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    active, calls = [], []

    @contextmanager
    def kernel(*_: object) -> Iterator[None]:
        active.append(True)
        yield
        active.pop()

    original = functional.scaled_dot_product_attention
    monkeypatch.setattr(blocks, "select_attention_kernel", kernel)
    monkeypatch.setattr(
        functional, "scaled_dot_product_attention", lambda *inputs: calls.append(bool(active)) or original(*inputs)
    )
    compute_gradients(checkpointing)
    assert len(calls) == (3 if checkpointing == "none" else 6) * CONFIG.layers and all(calls)


def test_only_hopper_requires_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    def list_allowed(device: str, precision: torch.dtype, capability: tuple[int, int]) -> set[str]:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
        with select_attention_kernel(torch.device(device), precision):
            kinds = ("cudnn", "flash", "mem_efficient", "math")
            return {kind for kind in kinds if getattr(torch.backends.cuda, f"{kind}_sdp_enabled")()}

    every = list_allowed("cpu", torch.bfloat16, (9, 0))
    assert {"flash", "math"} <= every
    assert list_allowed("cuda", torch.bfloat16, (9, 0)) == {"cudnn"}
    assert list_allowed("cuda", torch.float32, (9, 0)) == every
    assert list_allowed("cuda", torch.bfloat16, (8, 0)) == every
    assert list_allowed("cuda", torch.bfloat16, (10, 0)) == every


def test_a_hopper_without_cudnns_attention_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    check_attention(CPU, torch.float32, 24)
    monkeypatch.setattr("echomotion_model.train.parallel.attention.is_hopper", lambda _: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100")

    def refuse(*_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("No available kernel. Aborting execution.")

    monkeypatch.setattr(functional, "scaled_dot_product_attention", refuse)
    with pytest.raises(UserError, match="^NVIDIA H100: no cuDNN attention for torch.bfloat16 with head_dim 128"):
        check_attention(CPU, torch.bfloat16, 128)

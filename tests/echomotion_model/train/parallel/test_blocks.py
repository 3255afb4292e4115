"""What blocks keep for the backward pass, compiling them, and the kernel that they attend with."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext

import pytest
import torch
from torch._dynamo.testing import CompileCounterWithBackend
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode

from echomotion_model.data.config import LoaderConfig
from echomotion_model.model.transformer import is_motion
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.parallel import blocks
from echomotion_model.train.parallel.attention import attention_kernel, check_attention
from echomotion_model.train.parallel.blocks import ATTENTION, PRODUCTS, block_runner, prepare_blocks
from echomotion_model.train.parallel.shapes import block_shapes
from humove.errors import UserError
from shards.buckets import BucketConfig
from tests.echomotion_model.model.small import echo
from tests.echomotion_model.train.parallel.steps import CONFIG, loss_of

CPU = torch.device("cpu")


class Counted(TorchDispatchMode):
    """How often the operations of interest were computed."""

    def __init__(self) -> None:
        super().__init__()
        self.attention = self.products = 0

    def __torch_dispatch__(self, function, types, arguments=(), named=None):
        self.attention += function in ATTENTION
        self.products += function in PRODUCTS
        return function(*arguments, **(named or {}))


def gradients(keep: str, *, compiled: bool = False, backend: str = "aot_eager") -> dict[str, torch.Tensor]:
    model = echo(CONFIG)
    prepare_blocks(model, keep=keep, compiled=compiled, device=CPU, precision=torch.float32, shapes=1, backend=backend)
    loss_of(model, 0).backward()
    return {name: parameter.grad for name, parameter in model.named_parameters()}


def counts(keep: str) -> tuple[int, int]:
    """Attention and products of a forward and a backward pass."""
    with Counted() as counted:
        gradients(keep)
    return counted.attention, counted.products


def test_what_is_kept_is_not_computed_again() -> None:
    """A dual block attends three times: both streams together, and each to the text. A branch has ten products, of
    which one widens; weights' gradients are products too, the same for all choices."""
    attention, products = counts("everything")
    blocks_, branches = CONFIG.layers, 2 * CONFIG.layers
    assert attention == 3 * blocks_
    assert counts("products") == (attention, products)
    assert counts("projections") == (attention, products + branches)
    assert counts("attention") == (attention, products + 10 * branches)
    assert counts("nothing") == (2 * attention, products + 10 * branches)


@pytest.mark.parametrize("keep", ["nothing", "attention", "projections", "products"])
def test_computing_again_changes_no_bit_of_a_gradient(keep: str) -> None:
    expected, found = gradients("everything"), gradients(keep)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_blocks_are_compiled_once_for_all_and_answer_alike() -> None:
    torch._dynamo.reset()
    counter = CompileCounterWithBackend("aot_eager")
    expected, found = gradients("everything"), gradients("attention", compiled=True, backend=counter)
    assert counter.frame_count == 1
    for name, value in expected.items():
        torch.testing.assert_close(found[name], value, rtol=1e-4, atol=1e-6)


def twice(block: None, x: torch.Tensor) -> torch.Tensor:
    return 2 * x


def runner(shapes: int, counter: CompileCounterWithBackend) -> Callable:
    return block_runner(twice, keep="everything", compiled=True, kernel=nullcontext, shapes=shapes, backend=counter)


@pytest.fixture
def low_limits() -> Iterator[None]:
    """PyTorch allows for some shapes anyway; and what tests have compiled before counts."""
    torch._dynamo.reset()
    patched = {"recompile_limit": 0, "accumulated_recompile_limit": 8, "fail_on_recompile_limit_hit": False}
    with torch._dynamo.config.patch(patched):
        yield


def test_every_shape_that_was_told_of_is_compiled_and_another_is_a_line(low_limits: None) -> None:
    counter = CompileCounterWithBackend("eager")
    run = runner(70, counter)
    for length in range(1, 71):
        run(None, torch.zeros(length))
    assert counter.frame_count == 70
    with pytest.raises(UserError, match="compiled for 70 shapes of input.*; set parallel.compile=never"):
        run(None, torch.zeros(71))
    runner(1, counter)(None, torch.zeros(71))  # what was there before does not count
    assert counter.frame_count == 71


def test_no_run_meets_more_shapes_than_are_counted(low_limits: None) -> None:
    buckets = {"min_frames": 5, "max_frames": 5, "resolutions": [[64, 32], [64, 48]]}
    model_config = CONFIG.model_copy(update={"dual_every": 2})
    config = TrainConfig(model=model_config, data=LoaderConfig(buckets=BucketConfig(**buckets)))
    model, counter, expected = echo(model_config), CompileCounterWithBackend("eager"), block_shapes(config)
    prepare_blocks(
        model, keep="everything", compiled=True, device=CPU, precision=torch.float32, shapes=expected, backend=counter
    )

    def passes(video: bool, motion: bool, batch: int) -> None:
        for width, height in config.data.buckets.resolutions:
            latents = torch.zeros(batch, 16, 2, height // 8, width // 8) if video else None
            features = torch.zeros(batch, 5, 235) if motion else None
            text, times, grid = torch.zeros(batch, 7, 20), torch.full((batch,), 500.0), (height // 16, width // 16)
            model(latents, features, text, times, times, torch.zeros(batch, dtype=torch.int64), grid)

    present = (True, False), (False, True), (True, True)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_motion(name))
    passes(False, True, 3)
    model.requires_grad_(True)
    for streams in present:
        passes(*streams, 2)
        with torch.no_grad():
            passes(*streams, 1)
    assert counter.frame_count <= expected


@pytest.mark.parametrize("keep", ["everything", "attention", "nothing"])
def test_attention_is_within_the_kernel_also_when_it_is_computed_again(
    keep: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    within, seen = [], []

    @contextmanager
    def kernel(*_: object) -> Iterator[None]:
        within.append(True)
        yield
        within.pop()

    original = functional.scaled_dot_product_attention
    monkeypatch.setattr(blocks, "attention_kernel", kernel)
    monkeypatch.setattr(
        functional, "scaled_dot_product_attention", lambda *given: seen.append(bool(within)) or original(*given)
    )
    gradients(keep)
    assert len(seen) == (3 if keep == "everything" else 6) * CONFIG.layers and all(seen)


def test_only_hopper_is_held_to_cudnn(monkeypatch: pytest.MonkeyPatch) -> None:
    def allowed(device: str, precision: torch.dtype, capability: tuple[int, int]) -> set[str]:
        monkeypatch.setattr(torch.cuda, "get_device_capability", lambda *_: capability)
        with attention_kernel(torch.device(device), precision):
            kinds = ("cudnn", "flash", "mem_efficient", "math")
            return {kind for kind in kinds if getattr(torch.backends.cuda, f"{kind}_sdp_enabled")()}

    every = allowed("cpu", torch.bfloat16, (9, 0))
    assert {"flash", "math"} <= every
    assert allowed("cuda", torch.bfloat16, (9, 0)) == {"cudnn"}
    assert allowed("cuda", torch.float32, (9, 0)) == every
    assert allowed("cuda", torch.bfloat16, (8, 0)) == every
    assert allowed("cuda", torch.bfloat16, (10, 0)) == every


def test_a_hopper_without_cudnns_attention_is_a_line(monkeypatch: pytest.MonkeyPatch) -> None:
    """This machine's CPU has none, which is what such a GPU would answer."""
    check_attention(CPU, torch.float32, 24)
    monkeypatch.setattr("echomotion_model.train.parallel.attention.wants_cudnn", lambda _: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda _: "NVIDIA H100")

    def refused(*_: torch.Tensor) -> torch.Tensor:
        raise RuntimeError("No available kernel. Aborting execution.")

    monkeypatch.setattr(functional, "scaled_dot_product_attention", refused)
    with pytest.raises(UserError, match="^NVIDIA H100: no cuDNN attention for torch.bfloat16 with 128 numbers a head"):
        check_attention(CPU, torch.bfloat16, 128)

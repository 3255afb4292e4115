"""How fast a training step is, and how much of the device it uses, beside diffusers' Wan of the same size.

A step is forward, backward, clipping and AdamW on random latents and motion: no data is read and nothing is encoded.
Utilisation counts attention, and nothing that is computed twice (train/mfu.py).
"""

import gc
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from diffusers import WanTransformer3DModel
from torch import nn

from echomotion_model.model.config import ModelConfig, preset
from echomotion_model.model.transformer import EchoMotionTransformer, is_motion
from echomotion_model.motion.layout import FEATURES, TOKENS
from echomotion_model.train.mfu import peak_flops, step_flops
from echomotion_model.train.optimizer import OptimizerConfig, make_optimizer, set_rate
from echomotion_model.train.parallel.attention import attention_kernel
from echomotion_model.train.parallel.blocks import block_runner
from echomotion_model.train.parallel.config import ParallelConfig
from echomotion_model.train.parallel.processes import Processes, local_device


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """One kind of step."""

    name: str
    tokens: int
    """Video and motion tokens of a sample."""
    seconds: float
    """The median step; NaN where it did not fit the device's memory."""
    tflop: float
    """Operations that the step needs, in 10^12."""
    mfu: float
    peak_gib: float
    """Most memory held at a time; NaN on a CPU."""


def bench_model(
    name: str,
    *,
    latents_FHW: tuple[int, int, int] = (21, 60, 104),
    text_tokens: int = 512,
    batch: int = 1,
    steps: int = 5,
    warmup: int = 3,
    parallel: ParallelConfig | None = None,
    beside: bool = True,
    on_timing: Callable[[Timing], None] = lambda timing: None,
) -> list[Timing]:
    """Times the joint and the motion-only step of a model preset; with `beside`, diffusers' step in two ways.

    The default latents are 81 frames of 832x480. UserError for another preset's name.
    """
    config, parallel, device = preset(name), parallel or ParallelConfig(), local_device()
    world, peak = Processes(parallel, device), peak_flops(device)
    data = _Data(config, latents_FHW, text_tokens, batch, device)
    compiled = parallel.compile == "always" or (parallel.compile == "auto" and device.type == "cuda")
    kinds: list[tuple[str, tuple[int, int], Callable[[], Callable[[], None]]]] = [
        ("joint", (data.video_tokens, data.motion_tokens), lambda: _ours(config, world, data, phase_one=False)),
        ("motion alone", (0, data.motion_tokens), lambda: _ours(config, world, data, phase_one=True)),
    ]
    if beside:
        for said, tuned in (("diffusers, as it comes", False), ("diffusers, tuned", True)):
            kinds.append(
                (
                    said,
                    (data.video_tokens, 0),
                    lambda tuned=tuned: _diffusers(config, world.precision, data, tuned, compiled),
                )
            )
    timings = []
    for said, tokens, make in kinds:
        flops = batch * step_flops(config, *tokens, text_tokens)
        seconds, peak_gib = _measured(make, steps, warmup, device)
        timings.append(
            Timing(
                name=said,
                tokens=sum(tokens),
                seconds=seconds,
                tflop=flops / 1e12,
                mfu=flops / seconds / peak,
                peak_gib=peak_gib,
            )
        )
        on_timing(timings[-1])
    return timings


def timing_line(timing: Timing) -> str:
    """One row of a table: name, tokens, seconds, 10^12 operations, utilisation, memory."""
    if timing.seconds != timing.seconds:
        return f"{timing.name:24} {timing.tokens:6}  does not fit this device's memory; keep less, or shard over more"
    memory = "" if timing.peak_gib != timing.peak_gib else f"  {timing.peak_gib:5.1f} GiB"
    return (
        f"{timing.name:24} {timing.tokens:6}  {timing.seconds:8.3f} s  {timing.tflop:8.1f} TFLOP  "
        f"{timing.mfu:6.1%} MFU{memory}"
    )


class _Data:
    """A batch that is made up."""

    def __init__(
        self, config: ModelConfig, latents_FHW: tuple[int, int, int], text_tokens: int, batch: int, device: torch.device
    ) -> None:
        length, height, width = latents_FHW
        frames = config.frame_stride * (length - 1) + 1
        self.grid_HW = height // config.patch[1], width // config.patch[2]
        self.video_tokens, self.motion_tokens = length * self.grid_HW[0] * self.grid_HW[1], TOKENS * frames
        self.video_BCFHW = torch.randn(batch, config.channels, *latents_FHW, device=device)
        self.motion_BTF = torch.randn(batch, frames, FEATURES, device=device)
        self.text_BLD = torch.randn(batch, text_tokens, config.text_dim, device=device)
        self.time_B = torch.full((batch,), 500.0, device=device)
        self.task_B = torch.zeros(batch, dtype=torch.int64, device=device)


def _ours(config: ModelConfig, world: Processes, data: _Data, *, phase_one: bool) -> Callable[[], None]:
    with torch.device(world.device):
        model = EchoMotionTransformer(config)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_motion(name) or not phase_one)
    model = world.wrap(model, shapes=2)  # one for each kind of block
    video = None if phase_one else data.video_BCFHW

    def loss() -> torch.Tensor:
        answers = model(video, data.motion_BTF, data.text_BLD, data.time_B, data.time_B, data.task_B, data.grid_HW)
        return sum((answer.float() - 1).square().mean() for answer in answers if answer is not None)

    return _step(model, loss)


def _diffusers(
    config: ModelConfig, precision: torch.dtype, data: _Data, tuned: bool, compiled: bool
) -> Callable[[], None]:
    """As it comes: every block computed again. Tuned: attention kept, blocks compiled, our choice of kernel."""
    with torch.device(data.video_BCFHW.device):
        model = WanTransformer3DModel(
            num_attention_heads=config.heads,
            attention_head_dim=config.head_dim,
            in_channels=config.channels,
            out_channels=config.channels,
            text_dim=config.text_dim,
            freq_dim=config.freq_dim,
            ffn_dim=config.ffn_dim,
            num_layers=config.layers,
        )
    kept = set(WanTransformer3DModel._keep_in_fp32_modules)
    for name, parameter in model.named_parameters():
        if kept.isdisjoint(name.split(".")):
            parameter.data = parameter.data.to(precision)
    model.enable_gradient_checkpointing()
    if tuned:
        kernel = partial(attention_kernel, data.video_BCFHW.device, precision)
        model._gradient_checkpointing_func = block_runner(
            nn.Module.__call__, keep="attention", compiled=compiled, kernel=kernel, shapes=1
        )

    def loss() -> torch.Tensor:
        video, text = data.video_BCFHW.to(precision), data.text_BLD.to(precision)
        answer = model(video, data.time_B, text, return_dict=False)[0]
        return (answer.float() - 1).square().mean()

    return _step(model.train(), loss)


def _step(model: nn.Module, loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
    optimizer = make_optimizer(model.named_parameters(), OptimizerConfig())
    set_rate(optimizer, 1e-6)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        loss().backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()

    return step


def _measured(
    make: Callable[[], Callable[[], None]], steps: int, warmup: int, device: torch.device
) -> tuple[float, float]:
    """Seconds of the median step, and the most memory held, GiB; NaN and NaN where it did not fit."""
    cuda = device.type == "cuda"
    step = None
    try:
        step = make()
        for _ in range(warmup):
            step()
        if cuda:
            torch.cuda.synchronize(device)
            torch.cuda.reset_peak_memory_stats(device)
        times = []
        for _ in range(steps):
            began = time.perf_counter()
            step()
            if cuda:
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - began)
        return statistics.median(times), torch.cuda.max_memory_allocated(device) / 2**30 if cuda else float("nan")
    except torch.OutOfMemoryError:
        return float("nan"), float("nan")
    finally:
        step = None
        gc.collect()
        if cuda:
            torch.cuda.empty_cache()

"""Benchmark of a training step: its time and device utilisation, compared with diffusers' Wan of the same size.

A step is forward, backward, clipping and AdamW on random latents and motion: no data is read or encoded.
Utilisation counts attention, but not recomputed activations (train/run/mfu.py).
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

from echomotion_model.model.config import ModelConfig, load_preset
from echomotion_model.model.transformer import EchoMotionTransformer, is_motion_parameter
from echomotion_model.motion.layout import FEATURES, TOKENS
from echomotion_model.train.optimizer import OptimizerConfig, make_optimizer, set_rate
from echomotion_model.train.parallel.attention import select_attention_kernel
from echomotion_model.train.parallel.blocks import make_block_runner
from echomotion_model.train.parallel.config import ParallelConfig
from echomotion_model.train.parallel.processes import Processes, get_local_device
from echomotion_model.train.run.mfu import count_step_flops, get_peak_flops


@dataclass(frozen=True, slots=True, kw_only=True)
class Timing:
    """The measured time of one kind of step."""

    name: str
    tokens: int
    """Video and motion tokens of a sample."""
    seconds: float
    """The median step; NaN if it did not fit the device's memory."""
    tflop: float
    """Operations of the step, in 10^12."""
    mfu: float
    peak_gib: float
    """Peak memory; NaN on a CPU."""


def bench_model(
    name: str,
    *,
    latents_FHW: tuple[int, int, int] = (21, 60, 104),
    text_tokens: int = 512,
    batch: int = 1,
    steps: int = 5,
    warmup: int = 3,
    parallel: ParallelConfig | None = None,
    on_timing: Callable[[Timing], None] = lambda timing: None,
) -> list[Timing]:
    """Time the joint and the motion-only step of a model preset, and diffusers' step in two ways.

    The default latents are 81 frames of 832x480. UserError for an unknown preset.
    """
    config, parallel, device = load_preset(name), parallel or ParallelConfig(), get_local_device()
    context, peak = Processes(parallel, device), get_peak_flops(device)
    data = _RandomBatch(config, latents_FHW, text_tokens, batch, device)
    compiled = parallel.compile == "always" or (parallel.compile == "auto" and device.type == "cuda")
    kinds: list[tuple[str, tuple[int, int], Callable[[], Callable[[], None]]]] = [
        (
            "joint",
            (data.video_tokens, data.motion_tokens),
            lambda: _make_model_step(config, context, data, phase_one=False),
        ),
        ("motion alone", (0, data.motion_tokens), lambda: _make_model_step(config, context, data, phase_one=True)),
    ]
    for kind, tuned in (("diffusers, default", False), ("diffusers, tuned", True)):
        make = partial(_make_diffusers_step, config, context.precision, data, tuned, compiled)
        kinds.append((kind, (data.video_tokens, 0), make))
    timings = []
    for kind, tokens, make in kinds:
        flops = batch * count_step_flops(config, *tokens, text_tokens)
        seconds, peak_gib = _measure_step(make, steps, warmup, device)
        timings.append(
            Timing(
                name=kind,
                tokens=sum(tokens),
                seconds=seconds,
                tflop=flops / 1e12,
                mfu=flops / seconds / peak,
                peak_gib=peak_gib,
            )
        )
        on_timing(timings[-1])
    return timings


def format_timing(timing: Timing) -> str:
    """Return one row of a table: name, tokens, seconds, 10^12 operations, utilisation, memory."""
    if timing.seconds != timing.seconds:
        return f"{timing.name:24} {timing.tokens:6}  does not fit the device; checkpoint more, or use more devices"
    memory = "" if timing.peak_gib != timing.peak_gib else f"  {timing.peak_gib:5.1f} GiB"
    return (
        f"{timing.name:24} {timing.tokens:6}  {timing.seconds:8.3f} s  {timing.tflop:8.1f} TFLOP  "
        f"{timing.mfu:6.1%} MFU{memory}"
    )


class _RandomBatch:
    """A batch of random latents, motion and text."""

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


def _make_model_step(
    config: ModelConfig, context: Processes, data: _RandomBatch, *, phase_one: bool
) -> Callable[[], None]:
    with torch.device(context.device):
        model = EchoMotionTransformer(config)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(is_motion_parameter(name) or not phase_one)
    model = context.wrap_model(model, shapes=2)  # one for each kind of block
    video = None if phase_one else data.video_BCFHW

    def compute_loss() -> torch.Tensor:
        velocities = model(video, data.motion_BTF, data.text_BLD, data.time_B, data.time_B, data.task_B, data.grid_HW)
        return sum((each.float() - 1).square().mean() for each in velocities if each is not None)

    return _make_step(model, compute_loss)


def _make_diffusers_step(
    config: ModelConfig, precision: torch.dtype, data: _RandomBatch, tuned: bool, compiled: bool
) -> Callable[[], None]:
    """Make diffusers' step; if tuned, with selective checkpointing, compiled blocks and our attention kernel."""
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
        kernel = partial(select_attention_kernel, data.video_BCFHW.device, precision)
        model._gradient_checkpointing_func = make_block_runner(
            nn.Module.__call__, checkpointing="selective-attention", compiled=compiled, kernel=kernel, shapes=1
        )

    def compute_loss() -> torch.Tensor:
        video, text = data.video_BCFHW.to(precision), data.text_BLD.to(precision)
        velocity = model(video, data.time_B, text, return_dict=False)[0]
        return (velocity.float() - 1).square().mean()

    return _make_step(model.train(), compute_loss)


def _make_step(model: nn.Module, compute_loss: Callable[[], torch.Tensor]) -> Callable[[], None]:
    optimizer = make_optimizer(model.named_parameters(), OptimizerConfig())
    set_rate(optimizer, 1e-6)
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]

    def run_step() -> None:
        optimizer.zero_grad(set_to_none=True)
        compute_loss().backward()
        nn.utils.clip_grad_norm_(trained, 1.0)
        optimizer.step()

    return run_step


def _measure_step(
    make: Callable[[], Callable[[], None]], steps: int, warmup: int, device: torch.device
) -> tuple[float, float]:
    """Return the median step's seconds and the peak memory, GiB; NaN and NaN if it did not fit."""
    cuda = device.type == "cuda"
    run_step = None
    try:
        run_step = make()
        for _ in range(warmup):
            run_step()
        if cuda:
            torch.cuda.synchronize(device)
            torch.cuda.reset_peak_memory_stats(device)
        times = []
        for _ in range(steps):
            started = time.perf_counter()
            run_step()
            if cuda:
                torch.cuda.synchronize(device)
            times.append(time.perf_counter() - started)
        return statistics.median(times), torch.cuda.max_memory_allocated(device) / 2**30 if cuda else float("nan")
    except torch.OutOfMemoryError:
        return float("nan"), float("nan")
    finally:
        run_step = None
        gc.collect()
        if cuda:
            torch.cuda.empty_cache()

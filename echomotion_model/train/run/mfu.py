"""Model FLOPs utilization (MFU): the operations that a step needs, over those that the device can do.

Attention is counted (at these lengths it is most of the work); norms, embedders and recomputation are not. A step costs
three forward passes. If adapters train instead of the weights, products with frozen weights count twice, as they have
no weight gradient, and the adapters' own are ignored. Wan2.1-1.3B with 81 frames of 832x480 (32,760 video, 4,131 motion
and 512 text tokens), all weights trained: 849 T video only, 1,041 T joint, 42 T motion only.
"""

import time

import torch

from echomotion_model.model.config import ModelConfig

PEAKS = {
    "H100": 989e12,
    "H200": 989e12,
    "H800": 989e12,
    "A100": 312e12,
    "A800": 312e12,
    "L40S": 362e12,
    "B200": 2250e12,
}
"""Dense bfloat16 operations per second, from the data sheets, by a part of the device's name."""


def count_forward_flops(config: ModelConfig, video_tokens: int, motion_tokens: int, text_tokens: int) -> float:
    """Count the operations of one sample's forward pass; a multiply-add counts as two."""
    return sum(_count_parts(config, video_tokens, motion_tokens, text_tokens))


def count_step_flops(
    config: ModelConfig, video_tokens: int, motion_tokens: int, text_tokens: int, *, adapted: bool = False
) -> float:
    """Count the operations of one sample's forward and backward pass. adapted: adapters train instead of weights."""
    weights, attention = _count_parts(config, video_tokens, motion_tokens, text_tokens)
    return (2 if adapted else 3) * weights + 3 * attention


def _count_parts(config: ModelConfig, video_tokens: int, motion_tokens: int, text_tokens: int) -> tuple[float, float]:
    """Count the operations of a forward pass: products with weights (q, k, v, o, twice; the feed-forward), and
    attention (over all tokens, and to the text)."""
    width = config.dim
    each_token, each_text = 12 * width**2 + 4 * width * config.ffn_dim, 4 * width**2
    weights = attention = 0.0
    for layer in range(config.layers):
        motion = motion_tokens if config.is_dual(layer) else 0
        branches = [tokens for tokens in (video_tokens, motion) if tokens]
        weights += sum(tokens * each_token + text_tokens * each_text for tokens in branches)
        attention += 4 * width * sum(branches) * (sum(branches) + text_tokens)
    return weights, attention


def get_peak_flops(device: torch.device) -> float:
    """Get the device's peak operations per second: of a known GPU from the data sheet, otherwise measured with a matrix
    product."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for part, peak in PEAKS.items():
            if part in name:
                return peak
    return _measure_peak_flops(device)


def _measure_peak_flops(device: torch.device) -> float:
    size, best = 1024, float("inf")
    a = torch.ones(size, size, device=device)
    for _ in range(5):
        began = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best

"""How well the machine is used: floating-point operations that a step needs, over those that the device could do.

Attention is counted (at these lengths it is most of the work), the norms and the embedders are not, and neither is
what is computed twice to save memory. A step is three times its forward pass. Of Wan2.1-1.3B with 81 frames of 832x480
(32,760 video and 4,131 motion tokens, 512 of text): 849 T video alone, 1,041 T joint, 42 T motion alone.
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
"""Dense bfloat16 operations a second, by a part of the device's name; the makers' figures."""


def forward_flops(config: ModelConfig, video_tokens: int, motion_tokens: int, text_tokens: int) -> float:
    """Operations of one sample's forward pass, a multiplication and an addition being two."""
    total = 0.0
    for layer in range(config.layers):
        motion = motion_tokens if config.is_dual(layer) else 0
        branches = [tokens for tokens in (video_tokens, motion) if tokens]
        total += sum(_branch_flops(config, tokens, text_tokens) for tokens in branches)
        total += 4 * sum(branches) ** 2 * config.dim
    return total


def _branch_flops(config: ModelConfig, tokens: int, text_tokens: int) -> float:
    """All but the joint self-attention: q, k, v, o; the text's attention; the feed-forward."""
    width = config.dim
    each_token = 8 * width**2 + 4 * width**2 + 4 * width * config.ffn_dim + 4 * text_tokens * width
    return tokens * each_token + text_tokens * 4 * width**2


def step_flops(config: ModelConfig, video_tokens: int, motion_tokens: int, text_tokens: int) -> float:
    """Forward and backward of one sample."""
    return 3 * forward_flops(config, video_tokens, motion_tokens, text_tokens)


def peak_flops(device: torch.device) -> float:
    """What the device could do in a second: the maker's figure for a known GPU; otherwise what a matrix product
    reaches here and now, so that use on a laptop's CPU is a share of something real."""
    if device.type == "cuda":
        name = torch.cuda.get_device_name(device)
        for part, peak in PEAKS.items():
            if part in name:
                return peak
    return _measured(device)


def _measured(device: torch.device) -> float:
    size, best = 1024, float("inf")
    a = torch.ones(size, size, device=device)
    for _ in range(5):
        began = time.perf_counter()
        float((a @ a)[0, 0])
        best = min(best, time.perf_counter() - began)
    return 2 * size**3 / best

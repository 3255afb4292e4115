"""How well the machine is used: floating-point operations that a step needs, over those that the device could do.

Attention is counted (at these lengths it is most of the work), the norms and the embedders are not, and neither is
what is computed twice to save memory. A step is three times its forward pass; where adapters train in place of the
weights, products with these are counted twice, as they have no gradient, and the little that adapters add is not. Of
Wan2.1-1.3B with 81 frames of 832x480 (32,760 video and 4,131 motion tokens, 512 of text), all weights: 849 T video
alone, 1,041 T joint, 42 T motion alone.
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
    return sum(_parts(config, video_tokens, motion_tokens, text_tokens))


def step_flops(
    config: ModelConfig, video_tokens: int, motion_tokens: int, text_tokens: int, *, adapted: bool = False
) -> float:
    """Forward and backward of one sample. adapted: adapters train in place of the weights."""
    weights, attention = _parts(config, video_tokens, motion_tokens, text_tokens)
    return (2 if adapted else 3) * weights + 3 * attention


def _parts(config: ModelConfig, video_tokens: int, motion_tokens: int, text_tokens: int) -> tuple[float, float]:
    """Operations of a forward pass: products with weights (q, k, v, o, twice; the feed-forward), and those of attention
    (over all tokens, and to the text)."""
    width = config.dim
    each_token, each_text = 12 * width**2 + 4 * width * config.ffn_dim, 4 * width**2
    weights = attention = 0.0
    for layer in range(config.layers):
        motion = motion_tokens if config.is_dual(layer) else 0
        branches = [tokens for tokens in (video_tokens, motion) if tokens]
        weights += sum(tokens * each_token + text_tokens * each_text for tokens in branches)
        attention += 4 * width * sum(branches) * (sum(branches) + text_tokens)
    return weights, attention


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

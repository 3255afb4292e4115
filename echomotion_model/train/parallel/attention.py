"""The choice of the attention kernel.

On Hopper (H100, H200) cuDNN's attention takes little more than half of flash attention's time, forward and backward,
and PyTorch does not always choose it. So it is required there: without it a run would silently take twice the time.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from humove.errors import UserError

HOPPER = 9
"""Major version of its compute capability."""


def is_hopper(device: torch.device) -> bool:
    """Return whether this device is a Hopper GPU."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] == HOPPER


def select_attention_kernel(device: torch.device, precision: torch.dtype) -> AbstractContextManager:
    """Make the context that blocks run in: only cuDNN for half precision on Hopper, PyTorch's choice elsewhere."""
    return sdpa_kernel(SDPBackend.CUDNN_ATTENTION) if _requires_cudnn(device, precision) else nullcontext()


def check_attention(device: torch.device, precision: torch.dtype, head_dim: int) -> None:
    """Run the required kernel once, if any, forward and backward. UserError if it is missing."""
    if not _requires_cudnn(device, precision):
        return
    shape = (1, 1, 64, head_dim)
    query, key, value = (torch.zeros(shape, dtype=precision, device=device, requires_grad=True) for _ in range(3))
    try:
        with select_attention_kernel(device, precision):
            functional.scaled_dot_product_attention(query, key, value).sum().backward()
    except RuntimeError as error:
        raise UserError(
            f"{torch.cuda.get_device_name(device)}: no cuDNN attention for {precision} with head_dim {head_dim} "
            f"in PyTorch {torch.__version__} with cuDNN {torch.backends.cudnn.version()}; install a PyTorch wheel for "
            "CUDA 12.8 or later, which includes cuDNN"
        ) from error


def _requires_cudnn(device: torch.device, precision: torch.dtype) -> bool:
    return is_hopper(device) and precision.itemsize == 2  # cuDNN has none in float32

"""Which kernel attends.

On Hopper (H100, H200) cuDNN's takes little more than half of flash attention's time, forward and backward, and PyTorch
does not choose it by itself everywhere. So there it is the only one allowed: were it missing, a run would take twice
its time and nobody would know why.
"""

from contextlib import AbstractContextManager, nullcontext

import torch
from torch.nn import functional
from torch.nn.attention import SDPBackend, sdpa_kernel

from humove.errors import UserError

HOPPER = 9
"""The major number of its compute capability."""


def wants_cudnn(device: torch.device) -> bool:
    """Whether this device is a Hopper GPU."""
    return device.type == "cuda" and torch.cuda.get_device_capability(device)[0] == HOPPER


def attention_kernel(device: torch.device, precision: torch.dtype) -> AbstractContextManager:
    """What blocks run within: cuDNN alone for half precision on Hopper, PyTorch's own choice elsewhere."""
    return sdpa_kernel(SDPBackend.CUDNN_ATTENTION) if _is_asserted(device, precision) else nullcontext()


def check_attention(device: torch.device, precision: torch.dtype, head_dim: int) -> None:
    """Attends once, forward and backward, with the kernel that is asserted, if any. UserError where it is not there."""
    if not _is_asserted(device, precision):
        return
    shape = (1, 1, 64, head_dim)
    query, key, value = (torch.zeros(shape, dtype=precision, device=device, requires_grad=True) for _ in range(3))
    try:
        with attention_kernel(device, precision):
            functional.scaled_dot_product_attention(query, key, value).sum().backward()
    except RuntimeError as error:
        raise UserError(
            f"{torch.cuda.get_device_name(device)}: no cuDNN attention for {precision} with {head_dim} numbers a head "
            f"in PyTorch {torch.__version__} with cuDNN {torch.backends.cudnn.version()}; install a PyTorch wheel for "
            "CUDA 12.8 or later, which brings its own cuDNN"
        ) from error


def _is_asserted(device: torch.device, precision: torch.dtype) -> bool:
    return wants_cudnn(device) and precision.itemsize == 2  # cuDNN has none in float32

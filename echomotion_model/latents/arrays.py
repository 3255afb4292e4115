"""Tensors in npz files. numpy has no bfloat16, so its bits are stored as integers, with the dtype's name."""

import numpy as np
import torch

from humove.errors import UserError
from shards.npz import decode_npz, encode_npz

_DTYPES = {"float16": torch.float16, "bfloat16": torch.bfloat16, "float32": torch.float32}


def encode_tensor(values: torch.Tensor, dtype: str, **arrays: np.ndarray) -> bytes:
    """Encode `values` in the stored `dtype`, and other arrays, as an npz. The same tensors give the same bytes.

    ValueError if a value is not finite; UserError if it is too large for the dtype.
    """
    values = values.detach().to("cpu", torch.float32)
    if not values.isfinite().all():
        raise ValueError(f"the encoder returned {int((~values.isfinite()).sum())} values that are not finite")
    stored = values.to(_DTYPES[dtype])
    if not stored.isfinite().all():
        largest = f"{values.abs().max():.3g}"
        raise UserError(f"a value of {largest} is too large for {dtype}: run `humove latents` with --dtype bfloat16")
    bits = stored.view(torch.int16).numpy().view("<u2") if dtype == "bfloat16" else stored.numpy()
    return encode_npz({"values": bits, "dtype": np.array(dtype), **arrays})


def decode_tensor(raw: bytes) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
    """Decode (values in their stored dtype, the other arrays). ValueError, KeyError or BadZipFile if invalid."""
    arrays = decode_npz(raw)
    values, dtype = arrays.pop("values"), str(arrays.pop("dtype"))
    if dtype not in _DTYPES:
        raise ValueError(f"unknown dtype {dtype}")
    if dtype == "bfloat16":
        return torch.from_numpy(values.astype(np.uint16).view(np.int16)).view(torch.bfloat16), arrays
    return torch.from_numpy(values), arrays

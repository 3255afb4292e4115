"""The heads that LAION published: linear layers without activations, from an embedding to one score.

`improved-aesthetic-predictor` has five layers (layers.0, 2, 4, 6, 7: the others were dropout), the older
`aesthetic-predictor` one. Both take embeddings at unit length.
"""

from pathlib import Path
from typing import TYPE_CHECKING

from humove.errors import UserError

if TYPE_CHECKING:
    import torch

_LAYERS = (0, 2, 4, 6, 7)


def load_head(path: Path, width: int) -> "list[tuple[torch.Tensor, torch.Tensor]]":
    """Load the layers as (weight (out, in), bias (out,)) float32, first to last.

    Errors: UserError if it is no such head, or one for embeddings of another dimension than `width`.
    """
    state = _read_state(path)
    names = [""] if "weight" in state else [f"layers.{layer}." for layer in _LAYERS]
    if set(state) != {f"{name}{part}" for name in names for part in ("weight", "bias")}:
        raise UserError(
            f"aesthetic.laion.head: {path} holds {', '.join(sorted(state)[:6]) or 'nothing'}; give one of LAION's heads"
            " without activations, as sac+logos+ava1-l14-linearMSE.pth or sa_0_4_vit_l_14_linear.pth"
        )
    layers = [(state[f"{name}weight"].float(), state[f"{name}bias"].float()) for name in names]
    widths = [width, *(weight.shape[0] for weight, _ in layers)]
    wanted = [weight.shape[1] for weight, _ in layers]
    if wanted[0] != width:
        raise UserError(
            f"aesthetic.laion.head: {path} was trained on embeddings of dimension {wanted[0]}, but "
            f"aesthetic.laion.clip gives {width}: use the head that matches the CLIP (768: ViT-L/14, 512: ViT-B)"
        )
    if wanted != widths[:-1] or widths[-1] != 1:
        raise UserError(
            f"aesthetic.laion.head: {path} has layers of input dimensions {wanted} that do not end in one score"
        )
    return layers


def score_embeddings(layers: "list[tuple[torch.Tensor, torch.Tensor]]", unit: "torch.Tensor") -> "torch.Tensor":
    """Return the (N,) scores of (N, D) float32 embeddings at unit length."""
    for weight, bias in layers:
        unit = unit @ weight.T + bias
    return unit[:, 0]


def _read_state(path: Path) -> "dict[str, torch.Tensor]":
    import torch

    try:
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return load_file(path)
        state = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # torch and safetensors raise many kinds of exceptions
        raise UserError(f"aesthetic.laion.head: {path} cannot be read as weights: {_format_error(error)}") from error
    if not isinstance(state, dict) or not all(isinstance(value, torch.Tensor) for value in state.values()):
        raise UserError(f"aesthetic.laion.head: {path} is no state dict; give the head's")
    return state


def _format_error(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}".splitlines()[0][:200]

"""CLIP's picture half, from the user's own files, through transformers or open_clip."""

import importlib
import logging
from collections.abc import Callable, Sequence
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

import numpy as np

from annotators.laion.config import LaionConfig
from humove.errors import UserError

if TYPE_CHECKING:
    import torch

Encode = Callable[[Sequence[np.ndarray]], "torch.Tensor"]
"""(H, W, 3) uint8 RGB pictures -> their (N, D) embeddings, float32 on the CPU, at unit length."""
_SETTING = "aesthetic.laion.clip"


def load_encoder(config: LaionConfig, device: str) -> tuple[Encode, int]:
    """The encoder, and how many numbers it gives. Nothing is fetched: the files are what the configuration names.

    Errors: UserError where the library is not installed, or the files are not a CLIP that it reads.
    """
    half = config.half and device != "cpu"
    load = _with_transformers if config.library == "transformers" else _with_open_clip
    return load(config, device, half)


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"aesthetic.annotator 'laion' needs {name}: make setup EXTRAS=quality") from error


def _with_transformers(config: LaionConfig, device: str, half: bool) -> tuple[Encode, int]:
    transformers = _library("transformers")
    import torch

    folder = config.clip.folder(_SETTING)
    for name in ("config.json", "preprocessor_config.json"):
        if not (folder / name).is_file():
            raise UserError(f"{_SETTING}: {folder} has no {name}; give the folder of a CLIP as transformers saves it")
    transformers.utils.logging.disable_progress_bar()
    try:
        processor = transformers.CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
        with _quiet("transformers"):  # it lists the text half, which is not loaded, as unexpected
            model, said = transformers.CLIPVisionModelWithProjection.from_pretrained(
                folder, local_files_only=True, output_loading_info=True, dtype=torch.float16 if half else torch.float32
            )
    except Exception as error:  # the library raises many kinds for a folder that is not what it says
        raise _unread(folder, "transformers", error) from error
    if said["missing_keys"]:
        raise UserError(f"{_SETTING}: {folder} lacks the weights {_some(said['missing_keys'])}: it is no whole CLIP")
    model = model.to(device).eval()

    def encode(pictures: Sequence[np.ndarray]) -> torch.Tensor:
        pixels = processor(images=list(pictures), return_tensors="pt")["pixel_values"]
        with torch.inference_mode():
            return _unit(model(pixel_values=pixels.to(device, model.dtype)).image_embeds)

    return encode, int(model.config.projection_dim)


def _with_open_clip(config: LaionConfig, device: str, half: bool) -> tuple[Encode, int]:
    open_clip = _library("open_clip")
    import torch
    from PIL import Image

    path = config.clip.there(_SETTING)
    if path.is_dir() and not (path / "open_clip_config.json").is_file():
        raise UserError(
            f"{_SETTING}: {path} has no open_clip_config.json; give open_clip's folder or a file of weights"
        )
    if path.is_file() and config.network not in open_clip.list_models():
        raise UserError(
            f"aesthetic.laion.network: open_clip has no network {config.network!r}, as in ViT-L-14-quickgelu"
        )
    name, weights = (f"local-dir:{path}", None) if path.is_dir() else (config.network, str(path))
    try:
        with _quiet("root"):
            model, transform = open_clip.create_model_from_pretrained(
                name, pretrained=weights, precision="fp16" if half else "fp32", device=device, weights_only=True
            )
    except Exception as error:  # the library raises many kinds for a file that is not what it says
        raise _unread(path, f"open_clip as {config.network}" if weights else "open_clip", error) from error
    model = model.eval()
    kind = torch.float16 if half else torch.float32

    def encode(pictures: Sequence[np.ndarray]) -> torch.Tensor:
        pixels = torch.stack([transform(Image.fromarray(picture)) for picture in pictures])
        with torch.inference_mode():
            return _unit(model.encode_image(pixels.to(device, kind)))

    size = (3, *_pair(model.visual.image_size))
    width = encode([np.zeros((size[1], size[2], 3), np.uint8)]).shape[1]
    return encode, int(width)


def _pair(size: "int | tuple[int, int]") -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _unit(embeddings: "torch.Tensor") -> "torch.Tensor":
    embeddings = embeddings.float().cpu()
    return embeddings / embeddings.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def _unread(path: Path, library: str, error: BaseException) -> UserError:
    said = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return UserError(f"{_SETTING}: {path} is no CLIP that {library} reads ({said})")


def _some(names: Sequence[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


class _quiet:
    """Keeps a library from logging below errors while it loads."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger("" if name == "root" else name)

    def __enter__(self) -> None:
        self._level = self._logger.level
        self._logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        self._logger.setLevel(self._level)

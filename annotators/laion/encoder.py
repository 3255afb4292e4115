"""CLIP's image encoder and its preprocessing, from the user's files, with transformers or open_clip."""

import importlib
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import numpy as np

from annotators.laion.config import LaionConfig
from humove.errors import UserError

if TYPE_CHECKING:
    import torch

Prepare = Callable[[Sequence[np.ndarray]], np.ndarray]
"""Frames (H, W, 3) uint8 RGB -> (N, 3, S, S) float32, the input of CLIP."""
_SETTING = "aesthetic.laion.clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A CLIP on its device."""

    encode: "Callable[[torch.Tensor], torch.Tensor]"
    """(N, 3, S, S) float32 -> (N, D) embeddings, float32 on the CPU, at unit length."""
    width: int
    """D."""
    preparation: str
    """open_clip's preprocessing settings as JSON; "" for transformers, which has a file of them."""


def load_encoder(config: LaionConfig, device: str) -> Encoder:
    """Load the encoder from the files that the configuration names; nothing is fetched.

    Errors: UserError if the library is not installed, or cannot read the files as a CLIP.
    """
    half = config.half and device != "cpu"
    load = _load_with_transformers if config.library == "transformers" else _load_with_open_clip
    return load(config, device, half)


def load_preparation(config: LaionConfig, preparation: str) -> Prepare:
    """Load the library's preprocessing of frames. `preparation` is the Encoder's.

    Errors: UserError if the library is not installed, or the folder has no preprocessing settings.
    """
    return (
        _load_transformers_preparation(config)
        if config.library == "transformers"
        else _load_open_clip_preparation(preparation)
    )


def _import_library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"aesthetic.annotator 'laion' needs {name}: make setup EXTRAS=quality") from error


def _find_clip_folder(config: LaionConfig, needed: str) -> Path:
    folder = config.clip.resolve_folder(_SETTING)
    if not (folder / needed).is_file():
        raise UserError(f"{_SETTING}: {folder} has no {needed}; give the folder of a CLIP as transformers saves it")
    return folder


def _load_transformers_preparation(config: LaionConfig) -> Prepare:
    transformers = _import_library("transformers")
    folder = _find_clip_folder(config, "preprocessor_config.json")
    try:
        processor = transformers.CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the library raises many kinds of exceptions
        raise _make_read_error(folder, "transformers", error) from error
    return lambda frames: processor(images=list(frames), return_tensors="pt")["pixel_values"].numpy()


def _load_with_transformers(config: LaionConfig, device: str, half: bool) -> Encoder:
    transformers = _import_library("transformers")
    import torch

    folder = _find_clip_folder(config, "config.json")
    transformers.utils.logging.disable_progress_bar()
    try:
        with _QuietLogger("transformers"):  # it lists the text encoder, which is not loaded, as unexpected
            model, loading_info = transformers.CLIPVisionModelWithProjection.from_pretrained(
                folder, local_files_only=True, output_loading_info=True, dtype=torch.float16 if half else torch.float32
            )
    except Exception as error:  # the library raises many kinds of exceptions
        raise _make_read_error(folder, "transformers", error) from error
    if loading_info["missing_keys"]:
        names = _format_names(loading_info["missing_keys"])
        raise UserError(f"{_SETTING}: {folder} lacks the weights {names}: the CLIP is incomplete")
    model = model.to(device).eval()

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return _normalize(model(pixel_values=pixels.to(device, model.dtype)).image_embeds)

    return Encoder(encode=encode, width=int(model.config.projection_dim), preparation="")


def _load_with_open_clip(config: LaionConfig, device: str, half: bool) -> Encoder:
    open_clip = _import_library("open_clip")
    import torch

    path = config.clip.resolve(_SETTING)
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
        with _QuietLogger("root"):
            model = open_clip.create_model_from_pretrained(
                name,
                pretrained=weights,
                precision="fp16" if half else "fp32",
                device=device,
                weights_only=True,
                return_transform=False,
            )
    except Exception as error:  # the library raises many kinds of exceptions
        raise _make_read_error(path, f"open_clip as {config.network}" if weights else "open_clip", error) from error
    model = model.eval()
    dtype = torch.float16 if half else torch.float32

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return _normalize(model.encode_image(pixels.to(device, dtype)))

    width = encode(torch.zeros(1, 3, *_to_pair(model.visual.image_size))).shape[1]
    preparation: dict[str, Any] = open_clip.get_model_preprocess_cfg(model)
    return Encoder(encode=encode, width=int(width), preparation=json.dumps(preparation))


def _load_open_clip_preparation(preparation: str) -> Prepare:
    """Load the preprocessing of a model of open_clip with these settings."""
    _import_library("open_clip")
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from PIL import Image

    transform = image_transform_v2(PreprocessCfg(**json.loads(preparation)), is_train=False)
    return lambda frames: np.stack([transform(Image.fromarray(frame)).numpy() for frame in frames])


def _to_pair(size: "int | tuple[int, int]") -> tuple[int, int]:
    return (size, size) if isinstance(size, int) else tuple(size)


def _normalize(embeddings: "torch.Tensor") -> "torch.Tensor":
    embeddings = embeddings.float().cpu()
    return embeddings / embeddings.norm(dim=-1, keepdim=True).clamp_min(1e-12)


def _make_read_error(path: Path, library: str, error: BaseException) -> UserError:
    message = f"{type(error).__name__}: {error}".splitlines()[0][:200]
    return UserError(f"{_SETTING}: {path} is no CLIP that {library} reads ({message})")


def _format_names(names: Sequence[str]) -> str:
    names = sorted(names)
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")


class _QuietLogger:
    """A context in which a library logs only errors."""

    def __init__(self, name: str) -> None:
        self._logger = logging.getLogger("" if name == "root" else name)

    def __enter__(self) -> None:
        self._level = self._logger.level
        self._logger.setLevel(logging.ERROR)

    def __exit__(self, *_: object) -> None:
        self._logger.setLevel(self._level)

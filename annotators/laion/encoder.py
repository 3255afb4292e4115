"""CLIP's picture half, from the user's own files, through transformers or open_clip, and the steps before it."""

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
"""(H, W, 3) uint8 RGB pictures -> (N, 3, S, S) float32, as CLIP takes them."""
_SETTING = "aesthetic.laion.clip"


@dataclass(frozen=True, slots=True, kw_only=True)
class Encoder:
    """A CLIP on its device."""

    encode: "Callable[[torch.Tensor], torch.Tensor]"
    """(N, 3, S, S) float32 -> (N, D) embeddings, float32 on the CPU, at unit length."""
    width: int
    """D."""
    preparation: str
    """open_clip's settings of what goes before, as JSON; "" where transformers has a file of them."""


def load_encoder(config: LaionConfig, device: str) -> Encoder:
    """The encoder. Nothing is fetched: the files are what the configuration names.

    Errors: UserError where the library is not installed, or the files are not a CLIP that it reads.
    """
    half = config.half and device != "cpu"
    load = _with_transformers if config.library == "transformers" else _with_open_clip
    return load(config, device, half)


def load_preparation(config: LaionConfig, preparation: str) -> Prepare:
    """The library's own steps from pictures to pixels. `preparation` is the Encoder's.

    Errors: UserError where the library is not installed, or the folder has no such steps.
    """
    return _prepare_with_transformers(config) if config.library == "transformers" else _prepare_as(preparation)


def _library(name: str) -> ModuleType:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        raise UserError(f"aesthetic.annotator 'laion' needs {name}: make setup EXTRAS=quality") from error


def _clip_folder(config: LaionConfig, needed: str) -> Path:
    folder = config.clip.folder(_SETTING)
    if not (folder / needed).is_file():
        raise UserError(f"{_SETTING}: {folder} has no {needed}; give the folder of a CLIP as transformers saves it")
    return folder


def _prepare_with_transformers(config: LaionConfig) -> Prepare:
    transformers = _library("transformers")
    folder = _clip_folder(config, "preprocessor_config.json")
    try:
        processor = transformers.CLIPImageProcessor.from_pretrained(folder, local_files_only=True)
    except Exception as error:  # the library raises many kinds for a folder that is not what it says
        raise _unread(folder, "transformers", error) from error
    return lambda pictures: processor(images=list(pictures), return_tensors="pt")["pixel_values"].numpy()


def _with_transformers(config: LaionConfig, device: str, half: bool) -> Encoder:
    transformers = _library("transformers")
    import torch

    folder = _clip_folder(config, "config.json")
    transformers.utils.logging.disable_progress_bar()
    try:
        with _quiet("transformers"):  # it lists the text half, which is not loaded, as unexpected
            model, said = transformers.CLIPVisionModelWithProjection.from_pretrained(
                folder, local_files_only=True, output_loading_info=True, dtype=torch.float16 if half else torch.float32
            )
    except Exception as error:  # the library raises many kinds for a folder that is not what it says
        raise _unread(folder, "transformers", error) from error
    if said["missing_keys"]:
        raise UserError(f"{_SETTING}: {folder} lacks the weights {_some(said['missing_keys'])}: it is no whole CLIP")
    model = model.to(device).eval()

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return _unit(model(pixel_values=pixels.to(device, model.dtype)).image_embeds)

    return Encoder(encode=encode, width=int(model.config.projection_dim), preparation="")


def _with_open_clip(config: LaionConfig, device: str, half: bool) -> Encoder:
    open_clip = _library("open_clip")
    import torch

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
            model = open_clip.create_model_from_pretrained(
                name,
                pretrained=weights,
                precision="fp16" if half else "fp32",
                device=device,
                weights_only=True,
                return_transform=False,
            )
    except Exception as error:  # the library raises many kinds for a file that is not what it says
        raise _unread(path, f"open_clip as {config.network}" if weights else "open_clip", error) from error
    model = model.eval()
    kind = torch.float16 if half else torch.float32

    def encode(pixels: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            return _unit(model.encode_image(pixels.to(device, kind)))

    width = encode(torch.zeros(1, 3, *_pair(model.visual.image_size))).shape[1]
    preparation: dict[str, Any] = open_clip.get_model_preprocess_cfg(model)
    return Encoder(encode=encode, width=int(width), preparation=json.dumps(preparation))


def _prepare_as(preparation: str) -> Prepare:
    """The pictures as a model of open_clip's with these settings takes them."""
    _library("open_clip")
    from open_clip.transform import PreprocessCfg, image_transform_v2
    from PIL import Image

    transform = image_transform_v2(PreprocessCfg(**json.loads(preparation)), is_train=False)
    return lambda pictures: np.stack([transform(Image.fromarray(picture)).numpy() for picture in pictures])


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

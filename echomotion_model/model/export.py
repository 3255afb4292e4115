"""Export of a trained model: the video branch in diffusers' layout, the motion branch in a folder beside it.

OUT/transformer/config.json, diffusion_pytorch_model.safetensors   diffusers' WanTransformer3DModel reads them
OUT/echomotion/config.json, motion.safetensors, normalizer.npz     all that Wan lacks
"""

import json
import shutil
import uuid
from collections.abc import Mapping
from pathlib import Path

import torch
from pydantic import ValidationError
from safetensors import SafetensorError
from safetensors.torch import save_file

from echomotion_model.model.config import ModelConfig
from echomotion_model.model.tensor_files import StoredTensors, read_json
from echomotion_model.model.transformer import EchoMotionTransformer, is_motion_parameter
from echomotion_model.model.wan_names import build_diffusers_config
from echomotion_model.model.weights import check_config
from echomotion_model.motion.normalizer import Normalizer
from humove.errors import EXIT_DEFECT, UserError

_VIDEO, _MOTION = Path("transformer"), Path("echomotion")


def export_model(config: ModelConfig, state: Mapping[str, torch.Tensor], normalizer: Normalizer, out: Path) -> None:
    """Write a whole state_dict (trained weights, or their average), each tensor in its own dtype, to a new folder. The
    folder appears atomically.

    UserError if `out` is not empty or cannot be written.
    """
    require_new_folder(out)
    out = out.absolute()
    temporary = out.with_name(f".{out.name}-{uuid.uuid4().hex[:8]}.tmp")
    try:
        _write_folder(
            temporary / _VIDEO,
            build_diffusers_config(config),
            "diffusion_pytorch_model",
            _select_part(state, motion=False),
        )
        _write_folder(temporary / _MOTION, config.model_dump(mode="json"), "motion", _select_part(state, motion=True))
        normalizer.save(temporary / _MOTION / "normalizer.npz")
        temporary.rename(out)
    except (OSError, SafetensorError) as error:
        raise UserError(
            f"{out}: cannot be written ({' '.join(str(error).split())}); free or mend the disk", EXIT_DEFECT
        ) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def require_new_folder(out: Path) -> None:
    """Raise UserError if `out` exists and is not an empty folder."""
    if out.exists() and not (out.is_dir() and not any(out.iterdir())):
        raise UserError(f"{out}: already exists; give a new folder")


def load_export(folder: Path) -> tuple[EchoMotionTransformer, Normalizer]:
    """Load what `humove export` wrote: the model, float32 on the CPU, and the normaliser of its motion.

    The model's forward takes latents of the run's VAE, normalised features (`motion.features.encode_motion`, then
    `Normalizer.normalize`) and the text encoder's tokens. UserError if the folder is incomplete.
    """
    try:
        config = ModelConfig.model_validate(read_json(folder / _MOTION / "config.json"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise UserError(f"{folder / _MOTION / 'config.json'}: {where}: {first['msg']}") from error
    check_config(folder / _VIDEO, config)
    model = EchoMotionTransformer(config)
    for part, motion in ((_VIDEO, False), (_MOTION, True)):
        StoredTensors(folder / part).copy_into(_select_part(model.state_dict(), motion=motion))
    return model, Normalizer.load(folder / _MOTION / "normalizer.npz")


def _select_part(state: Mapping[str, torch.Tensor], motion: bool) -> dict[str, torch.Tensor]:
    return {name: tensor for name, tensor in state.items() if is_motion_parameter(name) == motion}


def _write_folder(folder: Path, config: dict, stem: str, tensors: dict[str, torch.Tensor]) -> None:
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(config, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    save_file(plain, folder / f"{stem}.safetensors", metadata={"format": "pt"})

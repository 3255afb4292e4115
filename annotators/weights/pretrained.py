"""Loading of complete models in transformers' format from a folder, offline and without its code or pickles."""

from pathlib import Path
from typing import Any

from humove.errors import UserError


def read_pretrained(
    model_class: type, processor_class: type, folder: Path, *, setting: str, kind: str, dtype: Any
) -> tuple[Any, Any]:
    """Load (model, processor) from a folder written by save_pretrained. `kind` names the model in errors.

    Errors: UserError without safetensors, for another kind of model, and if a tensor is missing, which transformers
    would fill with random numbers.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.disable_progress_bar()
    if not any(folder.glob("*.safetensors")):
        raise UserError(f"{setting}.path: {folder} holds no .safetensors; write them with save_pretrained")
    options = {"local_files_only": True, "trust_remote_code": False}
    try:
        model, loading = model_class.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **options
        )
        processor = processor_class.from_pretrained(folder, **options)
    except (
        OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError, SafetensorError
    ) as e:  # fmt: skip
        lines = str(e).strip().splitlines() or [type(e).__name__]
        raise UserError(f"{setting}.path: {folder} is no {kind} for transformers: {lines[0]}") from e
    missing = sorted(loading["missing_keys"])
    if missing:
        raise UserError(
            f"{setting}.path: {folder} is an incomplete {kind}: {len(missing)} tensors are missing, as {missing[0]}"
        )
    return model, processor

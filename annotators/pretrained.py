"""Models as transformers saves them, from a folder: whole, without code or pickles from it, and without the network."""

from pathlib import Path
from typing import Any

from humove.errors import UserError


def read_pretrained(
    model_class: type, processor_class: type, folder: Path, *, setting: str, kind: str, dtype: Any
) -> tuple[Any, Any]:
    """(model, processor) of a folder written by save_pretrained. `kind` says in errors what it should have been.

    Errors: UserError where there are no safetensors, where it is something else, and where a tensor is missing, which
    transformers itself would fill with random numbers.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.disable_progress_bar()
    if not any(folder.glob("*.safetensors")):
        raise UserError(f"{setting}.path: {folder} holds no .safetensors; write them with save_pretrained")
    ours = {"local_files_only": True, "trust_remote_code": False}
    try:
        model, loading = model_class.from_pretrained(
            folder, dtype=dtype, use_safetensors=True, output_loading_info=True, **ours
        )
        processor = processor_class.from_pretrained(folder, **ours)
    except (
        OSError, ValueError, KeyError, RuntimeError, TypeError, AttributeError, ImportError, SafetensorError
    ) as e:  # fmt: skip
        why = str(e).strip().splitlines() or [type(e).__name__]
        raise UserError(f"{setting}.path: {folder} is no {kind} for transformers: {why[0]}") from e
    missing = sorted(loading["missing_keys"])
    if missing:
        raise UserError(
            f"{setting}.path: {folder} is no whole {kind}: {len(missing)} tensors are missing, as {missing[0]}"
        )
    return model, processor

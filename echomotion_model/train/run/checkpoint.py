"""Checkpoints: folders of safetensors that are written atomically, each rank writing its own shards.

    RUN/checkpoints/step-000123/state.json              what is not a tensor; written last
    RUN/checkpoints/step-000123/shard-*.safetensors     tensors by name, sharded as on the ranks

torch.distributed.checkpoint shards and reassembles the tensors, so that a run can resume with another number of ranks.
Its own format has a pickled index, which runs code when it is read; safetensors has a plain header.
"""

import json
import logging
import os
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.distributed.checkpoint as dcp
from safetensors import SafetensorError
from torch.distributed.checkpoint.api import CheckpointException

from echomotion_model.train.run.dist_context import DistContext
from humove.errors import EXIT_DEFECT, UserError
from humove.ids import hash_file
from humove.storage.atomic import write_text

CHECKPOINTS_FOLDER, STATE_FILE = "checkpoints", "state.json"
_STEP_NAME = re.compile(r"step-\d+")
_FORMAT = 2
_FILE_BYTES = 2 << 30
"""Limits the memory for a file, which is assembled before it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """What a checkpoint holds beside its tensors. It needs no state of random generators: every draw depends only on
    the seed, the step and the sample."""

    step: int
    """Optimizer steps taken over both phases."""
    phase: str
    phase_step: int
    """Steps taken in that phase."""
    data: dict[str, Any]
    """The loader's position."""
    model: dict[str, Any]
    """The model's configuration."""
    lora: dict[str, Any]
    settings: dict[str, Any]
    """Other settings that must match on resume, by name."""
    files: dict[str, str]
    """Files of the run's folder that its weights depend on: sha256 by name."""
    ema_updates: int


def format_step_name(step: int) -> str:
    return f"step-{step:06d}"


def list_checkpoints(run: Path) -> list[Path]:
    """List a run's complete checkpoints, oldest first."""
    folder = run / CHECKPOINTS_FOLDER
    complete = [
        path for path in (folder.iterdir() if folder.is_dir() else ())
        if _STEP_NAME.fullmatch(path.name) and (path / STATE_FILE).is_file()
    ]  # fmt: skip
    return sorted(complete, key=lambda path: int(path.name.partition("-")[2]))


def save_checkpoint(
    run: Path, state: RunState, tensors: Mapping[str, torch.Tensor], keep: int, context: DistContext
) -> Path:
    """Write a checkpoint, then remove the oldest beyond `keep`. UserError, with all others intact, if it cannot."""
    final = run / CHECKPOINTS_FOLDER / format_step_name(state.step)
    temporary = final.with_name(f".{final.name}.tmp")
    failed: BaseException | None = None
    try:
        if context.main:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
    except OSError as error:
        failed = error
    if not context.any_process(failed is not None):
        try:
            _write_tensors(temporary, tensors)
            if context.main:
                write_text(temporary / STATE_FILE, json.dumps({"format": _FORMAT, **asdict(state)}, indent=1))
                _sync_folder(temporary)
        except (OSError, SafetensorError, CheckpointException) as error:
            failed = error
    if context.any_process(failed is not None):
        if context.main:
            shutil.rmtree(temporary, ignore_errors=True)
        raise UserError(f"{final}: {_describe_failure(failed)}; {_describe_last(run)}", EXIT_DEFECT) from failed
    if context.main:
        _remove_checkpoint(final)
        os.replace(temporary, final)
        for old in list_checkpoints(run)[:-keep]:
            _remove_checkpoint(old)
    context.barrier()
    return final


def read_state(checkpoint: Path) -> RunState:
    """Read the state of a checkpoint. UserError if it is damaged or of another format."""
    try:
        document = json.loads((checkpoint / STATE_FILE).read_text(encoding="utf-8"))
        if document.pop("format") != _FORMAT:
            raise UserError(f"{checkpoint} is of another version of humove; use that version, or start a new run")
        return RunState(**document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{checkpoint / STATE_FILE}: {_format_error(error)}; "
            f"remove {checkpoint.name} to resume from an older checkpoint",
            EXIT_DEFECT,
        ) from error


def load_tensors(checkpoint: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Load the checkpoint's tensors of the same names in place. UserError if one is missing, has another shape or
    cannot be read."""
    try:
        with _silence_torch():
            dcp.load(
                dict(tensors),
                storage_reader=dcp.HuggingFaceStorageReader(str(checkpoint)),
                no_dist=_is_single_process(),
            )
    except (OSError, SafetensorError, CheckpointException) as error:
        raise UserError(
            f"{checkpoint}: {_describe_failure(error)}; remove this folder to resume from an older checkpoint",
            EXIT_DEFECT,
        ) from error


def check_model(checkpoint: Path, state: RunState, model: Mapping[str, Any], lora: Mapping[str, Any]) -> None:
    """Raise UserError, naming the setting or file, if the checkpoint is of another model or a file that its weights
    depend on is missing or changed."""
    for section, saved, current in (("model", state.model, model), ("lora", state.lora, lora)):
        for name in sorted(saved.keys() | current.keys()):
            if saved.get(name) != current.get(name):
                raise UserError(
                    f"{checkpoint} is of another model: {section}.{name} is {saved.get(name)} there and "
                    f"{current.get(name)} here; use the preset and settings of that run, or another OUT"
                )
    for name, sha256 in state.files.items():
        path = checkpoint.parents[1] / name
        try:
            why = "" if hash_file(path) == sha256 else "it has changed"
        except OSError as error:
            why = _format_error(error)
        if why:
            raise UserError(f"{path}: {why}; {checkpoint.name} depends on it: restore it from a copy", EXIT_DEFECT)


def check_settings(checkpoint: Path, state: RunState, settings: Mapping[str, Any]) -> None:
    """Raise UserError, naming the setting, if the checkpoint was saved with other settings."""
    for name, current in settings.items():
        saved = state.settings.get(name)
        # The decay of the average may change on resume; whether there is an average may not.
        if (bool(saved) != bool(current)) if name == "ema.decay" else (saved != current):
            raise UserError(
                f"{checkpoint} was saved with other settings: {name} is {saved} there and {current} here; use the "
                "settings of that run, or another OUT"
            )


def _remove_checkpoint(checkpoint: Path) -> None:
    """Remove a checkpoint, its state first: if this is interrupted, the rest does not look complete."""
    with suppress(OSError):
        (checkpoint / STATE_FILE).unlink()
    shutil.rmtree(checkpoint, ignore_errors=True)


def _write_tensors(folder: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    with _silence_torch():
        writer = dcp.HuggingFaceStorageWriter(str(folder), _assign_files(tensors), save_distributed=True)
        dcp.save(dict(tensors), storage_writer=writer, no_dist=_is_single_process())


@contextmanager
def _silence_torch() -> Iterator[None]:
    """Silence torch's warning about a single process, and its log of errors that it also raises."""
    logger = logging.getLogger()  # the logger that torch uses
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.setLevel(level)


def _assign_files(tensors: Mapping[str, torch.Tensor]) -> dict[str, int]:
    """Assign each tensor to a file, numbered from 1."""
    files, number, filled = {}, 1, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if filled and filled + size > _FILE_BYTES:
            number, filled = number + 1, 0
        files[name], filled = number, filled + size
    return files


def _is_single_process() -> bool:
    return not (dist.is_available() and dist.is_initialized())


def _sync_folder(folder: Path) -> None:
    """Sync the folder's entries; its files were synced when written."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _describe_failure(error: BaseException | None) -> str:
    """Describe in one line why the first failing rank failed."""
    if error is None:
        return "another process could not write its shards"
    if isinstance(error, CheckpointException):
        error = next((each[0] for each in error.failures.values()), error)
    return _format_error(error)


def _format_error(error: BaseException) -> str:
    message = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(message.split()) or type(error).__name__


def _describe_last(run: Path) -> str:
    complete = list_checkpoints(run)
    last = f"{complete[-1].name} is the last checkpoint" if complete else "there is no older checkpoint"
    return f"{last}: free some space and run the same command to resume"

"""Checkpoints: a folder that appears whole or not at all, of safetensors that every rank writes its own part of.

    RUN/checkpoints/step-000123/state.json              what is not a tensor; written last
    RUN/checkpoints/step-000123/shard-*.safetensors     tensors by name, cut as the ranks hold them

torch.distributed.checkpoint does the cutting and the putting together, so that a run may go on with other ranks. Its
own format keeps a pickle of what is where, which runs code when it is read; safetensors says it in a header.
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

from echomotion_model.train.world import World
from humove.atomic import write_text
from humove.errors import EXIT_DEFECT, UserError
from humove.ids import file_sha256

CHECKPOINTS_FOLDER, STATE_FILE = "checkpoints", "state.json"
_STEP_NAME = re.compile(r"step-\d+")
_FORMAT = 2
_FILE_BYTES = 2 << 30
"""A file is put together in memory before it is written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunState:
    """What a checkpoint holds beside its tensors. There is no state of random numbers: every draw is named by the
    seed, the step and the sample, and comes out the same whenever it is made."""

    step: int
    """Steps of the optimizer that were taken, over both phases."""
    phase: str
    phase_step: int
    """Steps taken in that phase."""
    data: dict[str, Any]
    """The loader's position."""
    model: dict[str, Any]
    """The model's configuration."""
    lora: dict[str, Any]
    settings: dict[str, Any]
    """Others that it can't be gone on without, by their names."""
    files: dict[str, str]
    """Of the run's folder, those that its weights mean nothing without: their sha256 by name."""
    ema_updates: int


def step_name(step: int) -> str:
    return f"step-{step:06d}"


def checkpoints(run: Path) -> list[Path]:
    """A run's whole checkpoints, the oldest first."""
    folder = run / CHECKPOINTS_FOLDER
    found = [
        path for path in (folder.iterdir() if folder.is_dir() else ())
        if _STEP_NAME.fullmatch(path.name) and (path / STATE_FILE).is_file()
    ]  # fmt: skip
    return sorted(found, key=lambda path: int(path.name.partition("-")[2]))


def save_checkpoint(run: Path, state: RunState, tensors: Mapping[str, torch.Tensor], keep: int, world: World) -> Path:
    """Writes a checkpoint, then drops the oldest beyond `keep`. UserError, with nothing lost, where it can't."""
    final = run / CHECKPOINTS_FOLDER / step_name(state.step)
    temporary = final.with_name(f".{final.name}.tmp")
    failed: BaseException | None = None
    try:
        if world.main:
            shutil.rmtree(temporary, ignore_errors=True)
            temporary.mkdir(parents=True)
    except OSError as error:
        failed = error
    if not world.any(failed is not None):
        try:
            _write(temporary, tensors)
            if world.main:
                write_text(temporary / STATE_FILE, json.dumps({"format": _FORMAT, **asdict(state)}, indent=1))
                _sync(temporary)
        except (OSError, SafetensorError, CheckpointException) as error:
            failed = error
    if world.any(failed is not None):
        if world.main:
            shutil.rmtree(temporary, ignore_errors=True)
        raise UserError(f"{final}: {_why(failed)}; {_standing(run)}", EXIT_DEFECT) from failed
    if world.main:
        _remove(final)
        os.replace(temporary, final)
        for old in checkpoints(run)[:-keep]:
            _remove(old)
    world.barrier()
    return final


def read_state(checkpoint: Path) -> RunState:
    """What a checkpoint holds beside its tensors. UserError where it is damaged or of another format."""
    try:
        document = json.loads((checkpoint / STATE_FILE).read_text(encoding="utf-8"))
        if document.pop("format") != _FORMAT:
            raise UserError(f"{checkpoint} is of another version of humove; use that version, or train anew")
        return RunState(**document)
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(
            f"{checkpoint / STATE_FILE}: {_line(error)}; remove {checkpoint.name} to go on from an older checkpoint",
            EXIT_DEFECT,
        ) from error


def load_tensors(checkpoint: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """Fills the tensors, in place, with the checkpoint's of the same names. UserError where one is not there, is of
    another shape, or can't be read."""
    try:
        with _quiet():
            dcp.load(dict(tensors), storage_reader=dcp.HuggingFaceStorageReader(str(checkpoint)), no_dist=_alone())
    except (OSError, SafetensorError, CheckpointException) as error:
        raise UserError(
            f"{checkpoint}: {_why(error)}; remove this folder to go on from an older checkpoint", EXIT_DEFECT
        ) from error


def check_model(checkpoint: Path, state: RunState, model: Mapping[str, Any], lora: Mapping[str, Any]) -> None:
    """UserError, naming the first setting or file, where the checkpoint is of another model, or what goes with its
    weights is not there."""
    for section, saved, wanted in (("model", state.model, model), ("lora", state.lora, lora)):
        for name in sorted(saved.keys() | wanted.keys()):
            if saved.get(name) != wanted.get(name):
                raise UserError(
                    f"{checkpoint} is of another model: {section}.{name} is {saved.get(name)} there and "
                    f"{wanted.get(name)} here; give the preset and settings of that run, or another OUT"
                )
    for name, sha256 in state.files.items():
        path = checkpoint.parents[1] / name
        try:
            why = "" if file_sha256(path) == sha256 else "it is another file"
        except OSError as error:
            why = _line(error)
        if why:
            raise UserError(f"{path}: {why}; {checkpoint.name} needs its own: restore it from a copy", EXIT_DEFECT)


def check_settings(checkpoint: Path, state: RunState, settings: Mapping[str, Any]) -> None:
    """UserError, naming the first, where the checkpoint was saved with others."""
    for name, wanted in settings.items():
        saved = state.settings.get(name)
        # How slow the average is may change on the way; whether there is one may not.
        if (bool(saved) != bool(wanted)) if name == "ema.decay" else (saved != wanted):
            raise UserError(
                f"{checkpoint} was saved with other settings: {name} is {saved} there and {wanted} here; give the "
                "settings of that run, or another OUT"
            )


def _remove(checkpoint: Path) -> None:
    """Its state first, without which it is none: a kill half-way must not leave one that looks whole."""
    with suppress(OSError):
        (checkpoint / STATE_FILE).unlink()
    shutil.rmtree(checkpoint, ignore_errors=True)


def _write(folder: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    with _quiet():
        writer = dcp.HuggingFaceStorageWriter(str(folder), _files(tensors), save_distributed=True)
        dcp.save(dict(tensors), storage_writer=writer, no_dist=_alone())


@contextmanager
def _quiet() -> Iterator[None]:
    """Without torch's warning that it runs in one process, and without the traceback that it logs of an error which
    it raises too."""
    logger = logging.getLogger()  # what it logs to
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", UserWarning)
            yield
    finally:
        logger.setLevel(level)


def _files(tensors: Mapping[str, torch.Tensor]) -> dict[str, int]:
    """The number of the file that each tensor goes to, from 1 on."""
    files, number, filled = {}, 1, 0
    for name, tensor in tensors.items():
        size = tensor.numel() * tensor.element_size()
        if filled and filled + size > _FILE_BYTES:
            number, filled = number + 1, 0
        files[name], filled = number, filled + size
    return files


def _alone() -> bool:
    return not (dist.is_available() and dist.is_initialized())


def _sync(folder: Path) -> None:
    """The folder's own entries on the disk; its files were synced as they were written."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _why(error: BaseException | None) -> str:
    """One line: the cause of the first rank that failed, without its traceback."""
    if error is None:
        return "another process could not write its part"
    if isinstance(error, CheckpointException):
        error = next((each[0] for each in error.failures.values()), error)
    return _line(error)


def _line(error: BaseException) -> str:
    said = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
    return " ".join(said.split()) or type(error).__name__


def _standing(run: Path) -> str:
    last = checkpoints(run)
    kept = f"{last[-1].name} stands" if last else "there is no older checkpoint"
    return f"{kept}: make room there and run the same command to go on"

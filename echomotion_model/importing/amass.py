"""AMASS: one npz per recording, SMPL+H parameters in a world with z up, mostly at 60 to 250 frames per second."""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from echomotion_model.importing.bodies import RestBody, TrueBodies, make_open_rest_body
from echomotion_model.importing.motion import SourceMotion, check_arrays, parse_rate
from echomotion_model.importing.reasons import BadMotion, SkipReason

_RATES = ("mocap_framerate", "mocap_frame_rate")
_SMPL, _SMPLH, _SMPLX = 72, 156, 165
"""Widths of `poses`: 24 joints; 22 joints and 30 of the hands; those, the jaw and the eyes."""
_ARRAYS = ("poses", "trans", "betas", "gender", *_RATES)
_READ_ERRORS = (
    OSError, EOFError, zipfile.BadZipFile, zlib.error, ValueError, TypeError, KeyError, RuntimeError, MemoryError,
    struct.error, SyntaxError, tokenize.TokenError,
)  # fmt: skip
"""Errors of numpy for files that are truncated, encrypted or corrupt (it parses headers as Python), or that declare
arrays larger than the memory."""


def read_amass(path: Path, bodies: TrueBodies | None) -> SourceMotion:
    """Read the motion of a file, without the fingers: SMPL's two hand joints keep their rest pose.

    BadMotion if it holds none, or is damaged.
    """
    arrays = _read_arrays(path)
    if "poses" not in arrays or "trans" not in arrays:
        raise BadMotion(
            SkipReason.NO_MOTION, f"lacks poses and trans; of AMASS's arrays it has {', '.join(arrays) or 'none'}"
        )
    poses, trans = _get_numbers(arrays, "poses"), _get_numbers(arrays, "trans")
    rate = next((name for name in _RATES if name in arrays), None)
    if rate is None:
        raise BadMotion(SkipReason.NO_FRAME_RATE, f"has no {_RATES[0]}")
    rates = _get_numbers(arrays, rate).ravel()
    fps = parse_rate(float(rates[0]) if len(rates) == 1 else float("nan"))
    if poses.ndim != 2 or trans.shape != (len(poses), 3) or poses.shape[1] not in (_SMPL, _SMPLH, _SMPLX):
        raise BadMotion(
            SkipReason.BAD_SHAPE, f"poses {poses.shape} and trans {trans.shape}; expected (N, 156) and (N, 3)"
        )
    if poses.shape[1] == _SMPLX:
        raise BadMotion(SkipReason.SMPLX_BODY, "poses of SMPL-X; download AMASS's SMPL+H G files")
    betas = _get_numbers(arrays, "betas").ravel() if "betas" in arrays else np.zeros(0)
    check_arrays(poses=poses, trans=trans, betas=betas)
    body = _choose_body(_parse_gender(arrays), betas, bodies)
    pose = np.zeros((len(poses), 24, 3))
    kept = 24 if poses.shape[1] == _SMPL else 22
    pose[:, :kept] = poses[:, : 3 * kept].reshape(-1, kept, 3)
    return SourceMotion(
        global_orient=pose[:, 0],
        body_pose=pose[:, 1:],
        transl=trans,
        rest_joints=body.rest_joints,
        betas=body.betas,
        source_frames=np.arange(len(poses)),
        fps=fps,
        frame="world_z_up",
        body=body.record,
    )


def _choose_body(gender: str, betas: np.ndarray, bodies: TrueBodies | None) -> RestBody:
    if bodies is None or not len(betas):
        return make_open_rest_body(gender=gender, betas=betas)
    return bodies.make_rest_body(gender, betas)


def _read_arrays(path: Path) -> dict[str, Any]:
    """Read the npz's members that are plain arrays; None for one that would have to be unpickled."""
    try:
        if not zipfile.is_zipfile(path):
            raise BadMotion(SkipReason.UNREADABLE, "not an npz file")
        with np.load(path, allow_pickle=False) as box:
            return {name: _read_member(box, name) for name in box.files if name in _ARRAYS}
    except _READ_ERRORS as error:
        message = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise BadMotion(SkipReason.UNREADABLE, message) from error


def _read_member(box: Mapping[str, np.ndarray], name: str) -> np.ndarray | None:
    try:
        array = box[name]
    except ValueError as error:
        if "pickle" in str(error):
            return None
        raise
    if not isinstance(array, np.ndarray):  # numpy returns the bytes of a member that is not an array
        raise ValueError(f"{name} is not an array")
    return array


def _get_numbers(arrays: Mapping[str, Any], name: str) -> np.ndarray:
    values = arrays[name]
    if values is None:
        raise BadMotion(SkipReason.PICKLED, f"{name} is pickled; save it as plain numbers")
    if values.dtype.kind not in "fiu":
        raise BadMotion(SkipReason.BAD_SHAPE, f"{name} is {values.dtype}, not numbers")
    return values.astype(np.float64)


def _parse_gender(arrays: Mapping[str, Any]) -> str:
    """Return "female", "male", "neutral" or "": files have it as text, as bytes, or as the repr of bytes."""
    value = arrays.get("gender")
    if value is None or value.size != 1:
        return ""
    raw = value.reshape(()).item()
    text = raw.decode("ascii", "replace") if isinstance(raw, bytes) else str(raw)
    text = text.removeprefix("b'").removesuffix("'").strip().lower()
    return text if text in ("female", "male", "neutral") else ""

"""AMASS: one npz a recording, SMPL+H parameters in a world with z up, mostly at 60 to 250 frames per second."""

import struct
import tokenize
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from echomotion_model.importing.bodies import RestBody, TrueBodies, open_body
from echomotion_model.importing.motion import SourceMotion, checked, checked_rate
from echomotion_model.importing.reasons import BadMotion, LeftOut

_RATES = ("mocap_framerate", "mocap_frame_rate")
_SMPL, _SMPLH, _SMPLX = 72, 156, 165
"""Widths of `poses`: 24 joints; 22 joints and 30 of the hands; those, the jaw and the eyes."""
_READ = ("poses", "trans", "betas", "gender", *_RATES)
_BROKEN = (
    OSError, EOFError, zipfile.BadZipFile, zlib.error, ValueError, TypeError, KeyError, RuntimeError, MemoryError,
    struct.error, SyntaxError, tokenize.TokenError,
)  # fmt: skip
"""What numpy raises of files that are cut short, encrypted, garbled (it parses headers as Python), or that announce
arrays beyond any memory."""


def read_amass(path: Path, bodies: TrueBodies | None) -> SourceMotion:
    """The motion of a file. The hands' fingers are left out: SMPL's two hand joints keep their rest pose.

    BadMotion where it holds none, or is broken.
    """
    arrays = _arrays(path)
    if "poses" not in arrays or "trans" not in arrays:
        raise BadMotion(
            LeftOut.NO_MOTION, f"has no poses and trans; of AMASS's arrays it has {', '.join(arrays) or 'none'}"
        )
    poses, trans = _numbers(arrays, "poses"), _numbers(arrays, "trans")
    rate = next((name for name in _RATES if name in arrays), None)
    if rate is None:
        raise BadMotion(LeftOut.NO_FRAME_RATE, f"has no {_RATES[0]}")
    rates = _numbers(arrays, rate).ravel()
    fps = checked_rate(float(rates[0]) if len(rates) == 1 else float("nan"))
    if poses.ndim != 2 or trans.shape != (len(poses), 3) or poses.shape[1] not in (_SMPL, _SMPLH, _SMPLX):
        raise BadMotion(LeftOut.BAD_SHAPE, f"poses {poses.shape} and trans {trans.shape}; wanted (N, 156) and (N, 3)")
    if poses.shape[1] == _SMPLX:
        raise BadMotion(LeftOut.SMPLX_BODY, "poses of SMPL-X; download AMASS's SMPL+H G files")
    betas = _numbers(arrays, "betas").ravel() if "betas" in arrays else np.zeros(0)
    checked(poses=poses, trans=trans, betas=betas)
    body = _body(_gender(arrays), betas, bodies)
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


def _body(gender: str, betas: np.ndarray, bodies: TrueBodies | None) -> RestBody:
    if bodies is None or not len(betas):
        return open_body(gender=gender, betas=betas)
    return bodies.body(gender, betas)


def _arrays(path: Path) -> dict[str, Any]:
    """The npz's members that are plain arrays; None for one that would have to be unpickled."""
    try:
        if not zipfile.is_zipfile(path):
            raise BadMotion(LeftOut.UNREADABLE, "no npz file")
        with np.load(path, allow_pickle=False) as box:
            return {name: _plain(box, name) for name in box.files if name in _READ}
    except _BROKEN as error:
        said = f"{type(error).__name__}: {error}" if str(error) else type(error).__name__
        raise BadMotion(LeftOut.UNREADABLE, said) from error


def _plain(box: Mapping[str, np.ndarray], name: str) -> np.ndarray | None:
    try:
        array = box[name]
    except ValueError as error:
        if "pickle" in str(error):
            return None
        raise
    if not isinstance(array, np.ndarray):  # numpy hands over the bytes of a member that is no array
        raise ValueError(f"{name} is no array")
    return array


def _numbers(arrays: Mapping[str, Any], name: str) -> np.ndarray:
    values = arrays[name]
    if values is None:
        raise BadMotion(LeftOut.PICKLED, f"{name} is pickled; save it as plain numbers")
    if values.dtype.kind not in "fiu":
        raise BadMotion(LeftOut.BAD_SHAPE, f"{name} is {values.dtype}, not numbers")
    return values.astype(np.float64)


def _gender(arrays: Mapping[str, Any]) -> str:
    """ "female", "male", "neutral", or nothing: files have it as text, as bytes, or as bytes written as text."""
    value = arrays.get("gender")
    if value is None or value.size != 1:
        return ""
    said = value.reshape(()).item()
    text = said.decode("ascii", "replace") if isinstance(said, bytes) else str(said)
    text = text.removeprefix("b'").removesuffix("'").strip().lower()
    return text if text in ("female", "male", "neutral") else ""

"""Read an SMPL file as arrays, from the npz that `humove convert-smpl` writes or from the official pickle."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.smpl.unpickler import read_pickle
from humove.errors import UserError
from humove.motion.skeletons import SMPL_PARENTS
from humove.storage.atomic import replace_atomically

KEYS = ("v_template", "shapedirs", "posedirs", "J_regressor", "weights", "kintree_table", "f")
"""Keys of every body model of the family: SMPL, SMPL+H and SMPL-X."""
_VERTICES = 6890
_FAMILY = {24: "SMPL", 52: "SMPL+H", 55: "SMPL-X", 16: "MANO"}


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmplFile:
    """The arrays of one SMPL body."""

    v_template: np.ndarray
    """(6890, 3) m."""
    shapedirs: np.ndarray
    """(6890, 3, B) m for each of B >= 10 betas."""
    posedirs: np.ndarray
    """(6890, 3, 207) m."""
    J_regressor: np.ndarray
    """(24, 6890)."""
    weights: np.ndarray
    """(6890, 24)."""
    kintree_table: np.ndarray
    """(2, 24): each joint's parent, each joint."""
    f: np.ndarray
    """(F, 3) vertices of each face."""


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """Read every array of a body model's file, npz or pickle, without running code from it.

    Errors: UserError if the file is neither, or lacks an array that all body models have.
    """
    if not path.is_file():
        raise UserError(f"{path}: no such file; name an SMPL file (.npz, or the official .pkl)")
    if zipfile.is_zipfile(path):
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = {name: file[name] for name in KEYS if name in file.files}
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile) as error:
            raise UserError(f"{path}: no SMPL body in it ({error}); make it with humove convert-smpl") from error
    else:
        arrays = read_pickle(path)
    missing = [key for key in KEYS if key not in arrays]
    if missing:
        raise UserError(f"{path} has no readable {', '.join(missing)}: it is no SMPL body model; name another file")
    return arrays


def read_smpl(path: Path) -> SmplFile:
    """Read an SMPL body of 24 joints. Errors: UserError, also for the other body models of the family."""
    arrays = read_arrays(path)
    joints = len(arrays["J_regressor"])
    if joints != 24:
        kind = _FAMILY.get(joints, "no known body model")
        raise UserError(f"{path} has {joints} joints: it is {kind}; name an SMPL file, which has 24")
    shapes = {
        "v_template": (_VERTICES, 3), "posedirs": (_VERTICES, 3, 207), "J_regressor": (24, _VERTICES),
        "weights": (_VERTICES, 24), "kintree_table": (2, 24),
    }  # fmt: skip
    wrong = [f"{key} {arrays[key].shape} for {shape}" for key, shape in shapes.items() if arrays[key].shape != shape]
    directions, faces = arrays["shapedirs"].shape, arrays["f"].shape
    if len(directions) != 3 or directions[:2] != (_VERTICES, 3) or directions[2] < 10:
        wrong.append(f"shapedirs {directions} for ({_VERTICES}, 3, 10 or more)")
    if len(faces) != 2 or faces[1] != 3:
        wrong.append(f"f {faces} for (faces, 3)")
    if wrong:
        raise UserError(f"{path} is no SMPL body: {'; '.join(wrong)}")
    parents = arrays["kintree_table"][0].astype(np.int64)[1:]
    if tuple(parents) != SMPL_PARENTS[1:]:
        raise UserError(f"{path}: its joints have other parents than SMPL's; name an SMPL file")
    return SmplFile(**{key: arrays[key] for key in KEYS})


def convert_to_npz(source: Path, target: Path) -> tuple[str, ...]:
    """Write every array of a body model's pickle to an npz; returns their names.

    Sparse arrays become dense. Errors: UserError as of `read_arrays`, and if the target is no .npz.
    """
    if target.suffix != ".npz":
        raise UserError(f"{target}: name the file to write as .npz")
    arrays = read_arrays(source)
    with replace_atomically(target) as temporary:
        np.savez_compressed(temporary, **arrays)
    return tuple(arrays)

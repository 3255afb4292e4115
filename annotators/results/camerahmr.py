"""CameraHMR: rotation matrices, betas and the full picture's camera.

Its own demo writes no numbers. CoMoVi's version of its `mesh_estimator.py` saves a NUMBER.npy a frame: {"smpls":
{"global_orient" (1, 1, 3, 3), "body_pose" (1, 23, 3, 3), "betas" (1, 10)}, "cam_t": [(3,)], "render_res": (width,
height), "scaled_focal_length"}. The same, stacked in one .npz under these names, is read too.
"""

import zipfile
from pathlib import Path

import numpy as np
import torch

from annotators.results.bodies import Bodies
from annotators.results.found import Found, NotUsable, Picture, Wanted, rows
from annotators.results.frame_files import numbered
from annotators.results.pickles import read_pickled
from humove.rotations import matrix_to_axis_angle

NAMES = (".npz", "/")
LICENCE = "CameraHMR: weights by registration, research; SMPL body: non-commercial research"
_ROTATIONS = ("global_orient", "body_pose")
_TOLERANCE = 1e-2


def read(path: Path, wanted: Wanted, bodies: Bodies) -> list[Found]:
    """The one person of the file, on the wanted frames. Errors: NotUsable."""
    return [_folder(path, wanted) if path.is_dir() else _stacked(path, wanted)]


def _folder(path: Path, wanted: Wanted) -> Found:
    files = numbered(path, ".npy", wanted)
    turns, betas, transl, size, focal = (np.stack(v) for v in zip(*(_frame(file) for _, file in files), strict=True))
    return _found(np.array([number for number, _ in files]), turns, betas, transl, size, focal)


def _frame(path: Path) -> tuple[np.ndarray, ...]:
    try:
        said = read_pickled(path)
        smpl, cam_t = said["smpls"], np.asarray(said["cam_t"]).reshape(-1, 3)[0]
        turns = np.concatenate([np.asarray(smpl[k]).reshape(-1, 3, 3) for k in _ROTATIONS])
        betas, size = np.asarray(smpl["betas"]).reshape(-1), np.asarray(said["render_res"]).reshape(-1)
        focal = np.asarray(said["scaled_focal_length"]).reshape(-1)[:1]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        said = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        wants = "smpls, cam_t, render_res and scaled_focal_length"
        raise NotUsable(f"{path.name}: {said}; a frame of CameraHMR holds {wants}") from error
    return (
        rows(turns, (24, 3, 3), f"{path.name}: global_orient and body_pose"),
        rows(betas, (10,), f"{path.name}: betas"),
        rows(cam_t, (3,), f"{path.name}: cam_t"),
        rows(size, (2,), f"{path.name}: render_res"),
        rows(focal, (1,), f"{path.name}: scaled_focal_length"),
    )


def _stacked(path: Path, wanted: Wanted) -> Found:
    try:
        with np.load(path, allow_pickle=False) as box:
            said = {name: box[name] for name in box.files}
        n = len(said["betas"])
        turns = np.concatenate([np.reshape(said[k], (n, -1, 3, 3)) for k in _ROTATIONS], 1)
        size = np.broadcast_to(np.reshape(said["render_res"], (-1, 2)), (n, 2))
        focal = np.broadcast_to(np.reshape(said["scaled_focal_length"], (-1, 1)), (n, 1))
        betas, transl = said["betas"], said["cam_t"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise NotUsable(f"{path.name}: {f'lacks {error}' if isinstance(error, KeyError) else error}") from error
    frames, at = wanted.rows_of(said.get("frame_ids"), n)
    return _found(
        frames,
        rows(turns, (n, 24, 3, 3), "global_orient and body_pose")[at],
        rows(betas, (n, 10), "betas")[at],
        rows(transl, (n, 3), "cam_t")[at],
        rows(size, (n, 2), "render_res")[at],
        rows(focal, (n, 1), "scaled_focal_length")[at],
    )


def _found(
    frames: np.ndarray, turns: np.ndarray, betas: np.ndarray, transl: np.ndarray, size: np.ndarray, focal: np.ndarray
) -> Found:
    if np.abs(turns @ np.swapaxes(turns, -1, -2) - np.eye(3)).max() > _TOLERANCE or (np.linalg.det(turns) < 0).any():
        raise NotUsable("global_orient and body_pose are no rotation matrices")
    if (size != size[0]).any():
        raise NotUsable("render_res changes from frame to frame")
    return Found(
        frames=frames,
        betas=betas,
        pose=matrix_to_axis_angle(torch.from_numpy(turns)).numpy(),
        transl=transl,
        picture=Picture(
            width=float(size[0, 0]),
            height=float(size[0, 1]),
            focal_px=focal[:, 0],
            detail="CameraHMR's HumanFoV, median",
        ),
    )

"""CameraHMR: rotation matrices, betas and the full image's camera.

Its own demo writes no numbers. CoMoVi's version of its `mesh_estimator.py` saves a NUMBER.npy per frame: {"smpls":
{"global_orient" (1, 1, 3, 3), "body_pose" (1, 23, 3, 3), "betas" (1, 10)}, "cam_t": [(3,)], "render_res": (width,
height), "scaled_focal_length"}. The same arrays, stacked in one .npz under these names, are read too.
"""

import zipfile
from pathlib import Path

import numpy as np
import torch

from annotators.results.bodies import Bodies
from annotators.results.found import FrameRequest, ImageCamera, PersonMotion, UnusableFile, check_array
from annotators.results.frame_files import list_frame_files
from annotators.results.pickles import read_pickled
from humove.motion.rotations import matrix_to_axis_angle

NAMES = (".npz", "/")
LICENCE = "CameraHMR: weights by registration, research; SMPL body: non-commercial research"
_ROTATIONS = ("global_orient", "body_pose")
_TOLERANCE = 1e-2


def read_people(path: Path, request: FrameRequest, bodies: Bodies) -> list[PersonMotion]:
    """Read the one person of the file on the requested frames. Errors: UnusableFile."""
    return [_read_folder(path, request) if path.is_dir() else _read_stacked(path, request)]


def _read_folder(path: Path, request: FrameRequest) -> PersonMotion:
    files = list_frame_files(path, ".npy", request)
    turns, betas, transl, size, focal = (
        np.stack(v) for v in zip(*(_read_frame(file) for _, file in files), strict=True)
    )
    return _make_person(np.array([number for number, _ in files]), turns, betas, transl, size, focal)


def _read_frame(path: Path) -> tuple[np.ndarray, ...]:
    try:
        content = read_pickled(path)
        smpl, cam_t = content["smpls"], np.asarray(content["cam_t"]).reshape(-1, 3)[0]
        turns = np.concatenate([np.asarray(smpl[k]).reshape(-1, 3, 3) for k in _ROTATIONS])
        betas, size = np.asarray(smpl["betas"]).reshape(-1), np.asarray(content["render_res"]).reshape(-1)
        focal = np.asarray(content["scaled_focal_length"]).reshape(-1)[:1]
    except (ValueError, KeyError, TypeError, IndexError) as error:
        message = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        keys = "smpls, cam_t, render_res and scaled_focal_length"
        raise UnusableFile(f"{path.name}: {message}; a frame of CameraHMR holds {keys}") from error
    return (
        check_array(turns, (24, 3, 3), f"{path.name}: global_orient and body_pose"),
        check_array(betas, (10,), f"{path.name}: betas"),
        check_array(cam_t, (3,), f"{path.name}: cam_t"),
        check_array(size, (2,), f"{path.name}: render_res"),
        check_array(focal, (1,), f"{path.name}: scaled_focal_length"),
    )


def _read_stacked(path: Path, request: FrameRequest) -> PersonMotion:
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        n = len(arrays["betas"])
        turns = np.concatenate([np.reshape(arrays[k], (n, -1, 3, 3)) for k in _ROTATIONS], 1)
        size = np.broadcast_to(np.reshape(arrays["render_res"], (-1, 2)), (n, 2))
        focal = np.broadcast_to(np.reshape(arrays["scaled_focal_length"], (-1, 1)), (n, 1))
        betas, transl = arrays["betas"], arrays["cam_t"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise UnusableFile(f"{path.name}: {f'lacks {error}' if isinstance(error, KeyError) else error}") from error
    frames, at = request.select_rows(arrays.get("frame_ids"), n)
    return _make_person(
        frames,
        check_array(turns, (n, 24, 3, 3), "global_orient and body_pose")[at],
        check_array(betas, (n, 10), "betas")[at],
        check_array(transl, (n, 3), "cam_t")[at],
        check_array(size, (n, 2), "render_res")[at],
        check_array(focal, (n, 1), "scaled_focal_length")[at],
    )


def _make_person(
    frames: np.ndarray, turns: np.ndarray, betas: np.ndarray, transl: np.ndarray, size: np.ndarray, focal: np.ndarray
) -> PersonMotion:
    if np.abs(turns @ np.swapaxes(turns, -1, -2) - np.eye(3)).max() > _TOLERANCE or (np.linalg.det(turns) < 0).any():
        raise UnusableFile("global_orient and body_pose are no rotation matrices")
    if (size != size[0]).any():
        raise UnusableFile("render_res changes from frame to frame")
    return PersonMotion(
        frames=frames,
        betas=betas,
        pose=matrix_to_axis_angle(torch.from_numpy(turns)).numpy(),
        transl=transl,
        camera=ImageCamera(
            width=float(size[0, 0]),
            height=float(size[0, 1]),
            focal_px=focal[:, 0],
            detail="CameraHMR's HumanFoV, median",
        ),
    )

"""SMPL-X from the user's file, and its mesh in SMPL's order of vertices."""

import zipfile
from pathlib import Path

import numpy as np
import torch

from annotators.results.refit import FittedSmpl, Refit, load_body_model
from annotators.smpl.model_file import read_arrays
from humove.errors import UserError

_JOINTS, _BODY, _HAND = 55, 22, 15
_BATCH_FRAMES = 32
_HANDS = ("hands_meanl", "hands_meanr")


class SmplxBody:
    """SMPL-X posed by the 22 joints of its body, the hands in the file's mean pose, and refitted to SMPL."""

    def __init__(self, path: Path, transfer: Path, refit: Refit) -> None:
        """Errors: UserError if the file is no SMPL-X body or the transfer matrix does not map it to SMPL."""
        arrays = read_arrays(path)
        if len(arrays["J_regressor"]) != _JOINTS:
            raise UserError(
                f"motion.results.smplx: {path} has {len(arrays['J_regressor'])} joints; name SMPLX_NEUTRAL.npz, which "
                f"has {_JOINTS}"
            )
        self._model = load_body_model("smplx", arrays, "cpu")
        self._transfer = read_transfer(transfer, len(arrays["v_template"]))
        self._hands = _read_mean_hands(path)
        self._refit = refit

    def compute_pelvis(self, betas: np.ndarray) -> np.ndarray:
        """Compute the pelvis (N, 3) m in T-pose of betas (N, 10)."""
        mean, directions = (x.double().numpy() for x in (self._model.J_template, self._model.J_shapedirs))
        return mean[0] + betas @ directions[0].T

    def fit_smpl(self, betas: np.ndarray, pose: np.ndarray, transl: np.ndarray) -> FittedSmpl:
        """Fit SMPL to the same mesh. betas: (N, 10); pose: (N, 22, 3) axis-angle, the root first; transl: (N, 3) m."""
        full = np.zeros((len(pose), _JOINTS, 3))
        full[:, :_BODY], full[:, -2 * _HAND :] = pose, self._hands
        parts = []
        for start in range(0, len(pose), _BATCH_FRAMES):
            part = slice(start, start + _BATCH_FRAMES)
            inputs = [
                torch.from_numpy(np.asarray(x[part], dtype=np.float32))
                for x in (full.reshape(len(full), -1), betas, transl)
            ]
            with torch.inference_mode():
                vertices = self._model(*inputs)["vertices"]
                flat = vertices.permute(1, 0, 2).reshape(vertices.shape[1], -1)
                moved = torch.sparse.mm(self._transfer, flat).reshape(-1, len(vertices), 3).permute(1, 0, 2)
            parts.append(moved.numpy())
        hands = np.zeros((len(pose), 2, 3))
        return self._refit(np.concatenate(parts), start=np.concatenate([pose, hands], 1))


def read_transfer(path: Path, columns: int) -> torch.Tensor:
    """Read the sparse matrix (SMPL's vertices, `columns`) of a torch (.pt) or scipy (.npz) file.

    Errors: UserError if the file holds no such matrix.
    """
    try:
        if path.suffix == ".npz":
            from scipy.sparse import load_npz

            found = load_npz(path).tocoo()
            matrix = torch.sparse_coo_tensor(np.stack([found.row, found.col]), found.data, found.shape)
        else:
            matrix = torch.load(path, map_location="cpu", weights_only=True)
        matrix = matrix.float().coalesce()
    except (OSError, ValueError, KeyError, RuntimeError, AttributeError, zipfile.BadZipFile, ImportError) as error:
        message = str(error).strip().splitlines()[0]
        raise UserError(f"motion.results.smplx_to_smpl: {path} is no sparse matrix ({message})") from error
    except Exception as error:  # torch's unpickler has its own errors for more than tensors
        raise UserError(f"motion.results.smplx_to_smpl: {path} cannot be read: {type(error).__name__}") from error
    if matrix.ndim != 2 or matrix.shape[1] != columns:
        raise UserError(
            f"motion.results.smplx_to_smpl: {path} is a matrix of {tuple(matrix.shape)}, wanted (6890, {columns}): "
            "SMPL's vertices from SMPL-X's"
        )
    return matrix


def _read_mean_hands(path: Path) -> np.ndarray:
    """Read the mean pose (30, 3) axis-angle of SMPL-X's hands, left then right; zeros if the file has none."""
    if not zipfile.is_zipfile(path):
        return np.zeros((2 * _HAND, 3))
    with np.load(path, allow_pickle=False) as file:
        if not set(_HANDS) <= set(file.files):
            return np.zeros((2 * _HAND, 3))
        return np.concatenate([np.asarray(file[name], dtype=np.float64).reshape(_HAND, 3) for name in _HANDS])

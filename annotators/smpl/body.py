"""The user's SMPL body, posed by smplx."""

import contextlib
import io
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch

from annotators.smpl.model_file import SmplFile, read_smpl
from humove.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PosedSmpl:
    """A body on N frames, float32."""

    vertices: np.ndarray
    """(N, 6890, 3) m."""
    joints: np.ndarray
    """(N, 24, 3) m."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SmplBody:
    """One SMPL file. Its joints and stature in T-pose are linear in the betas."""

    model: torch.nn.Module
    """smplx's SMPL."""
    joints_mean: np.ndarray
    """(24, 3) float64 m, T-pose, betas of zero."""
    joints_dirs: np.ndarray
    """(24, 3, 10) float64 m for each beta."""
    height_mean: float
    """m from the lowest to the highest vertex."""
    height_dirs: np.ndarray
    """(10,) m for each beta."""
    faces: np.ndarray
    """(F, 3) int64."""

    @classmethod
    def load(cls, path: Path) -> "SmplBody":
        """Read an SMPL file, npz or the official pickle, without running code from it.

        Errors: UserError if the file is no SMPL body, or smplx is not installed.
        """
        return cls.from_file(read_smpl(path))

    @classmethod
    def from_file(cls, file: SmplFile) -> "SmplBody":
        """Make the body of a file's arrays. Errors: UserError if smplx is not installed."""
        try:
            from smplx import SMPL
            from smplx.utils import Struct
        except ImportError as error:
            raise UserError("smplx is not installed; it comes with make setup EXTRAS=smpl") from error
        with contextlib.redirect_stdout(io.StringIO()):  # it warns of bodies with 10 betas, which are intended
            # With the arrays smplx opens no file, so it unpickles nothing.
            model = SMPL("", data_struct=Struct(**asdict(file)), num_betas=10)
        model = model.eval().requires_grad_(False)
        regressor = np.asarray(file.J_regressor, dtype=np.float64)
        template = np.asarray(file.v_template, dtype=np.float64)
        directions = np.asarray(file.shapedirs, dtype=np.float64)[..., :10]
        top, bottom = template[:, 1].argmax(), template[:, 1].argmin()
        return cls(
            model=model,
            joints_mean=regressor @ template,
            joints_dirs=np.einsum("jv,vcb->jcb", regressor, directions),
            height_mean=float(template[top, 1] - template[bottom, 1]),
            height_dirs=directions[top, 1] - directions[bottom, 1],
            faces=np.asarray(file.f, dtype=np.int64),
        )

    def compute_rest_joints(self, betas: np.ndarray) -> np.ndarray:
        """Compute joints (..., 24, 3) float64 m in T-pose of betas (..., 10)."""
        return self.joints_mean + np.einsum("jcb,...b->...jc", self.joints_dirs, np.asarray(betas, dtype=np.float64))

    def compute_stature(self, betas: np.ndarray) -> np.ndarray:
        """Compute the height (...) m of the mesh in T-pose of betas (..., 10), to first order."""
        return self.height_mean + np.asarray(betas, dtype=np.float64) @ self.height_dirs

    def pose_body(
        self, betas: np.ndarray, global_orient: np.ndarray, body_pose: np.ndarray, transl: np.ndarray
    ) -> PosedSmpl:
        """Pose the body of betas (10,) or (N, 10) by global_orient (N, 3) and body_pose (N, 23, 3) axis-angle,
        transl (N, 3) m."""
        n = len(global_orient)
        rows = np.broadcast_to(np.asarray(betas, dtype=np.float32), (n, 10))
        arrays = {
            "betas": rows,
            "global_orient": global_orient,
            "body_pose": body_pose.reshape(n, 69),
            "transl": transl,
        }
        tensors = {name: torch.from_numpy(np.array(value, dtype=np.float32)) for name, value in arrays.items()}
        with torch.no_grad():
            out = self.model(**tensors)
        return PosedSmpl(vertices=out.vertices.numpy(), joints=out.joints[:, :24].numpy())

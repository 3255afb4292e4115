"""MHR's published mapping of SMPL's vertices to the triangles of MHR's mesh."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.results.found import UnusableFile
from annotators.results.refit import Refit
from humove.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MhrMapping:
    """Position of each of SMPL's vertices on MHR's surface."""

    corners: np.ndarray
    """(6890, 3) int64: MHR's vertices at the corners of its triangle."""
    shares: np.ndarray
    """(6890, 3): the corners' weights; rows sum to 1."""
    refit: Refit

    @classmethod
    def load(cls, mapping: Path, faces: Path, refit: Refit) -> "MhrMapping":
        """Read mhr2smpl_mapping.npz and MHR's triangles. Errors: UserError if a file is not one of these."""
        arrays = _read_arrays(mapping, "motion.results.mhr_to_smpl", ("triangle_ids", "baryc_coords"))
        triangles = _read_arrays(faces, "motion.results.mhr_faces", ("faces",))["faces"]
        at, shares = arrays["triangle_ids"].astype(np.int64), arrays["baryc_coords"].astype(np.float64)
        if (
            triangles.ndim != 2
            or triangles.shape[1] != 3
            or at.max(initial=0) >= len(triangles)
            or at.min(initial=0) < 0
        ):
            raise UserError(
                f"motion.results.mhr_faces: {faces} has triangles {triangles.shape}, the mapping uses number "
                f"{at.max(initial=0)}; name those of MHR's level of detail 1"
            )
        if shares.shape != (len(at), 3) or np.abs(shares.sum(1) - 1).max(initial=0) > 1e-3:
            raise UserError(f"motion.results.mhr_to_smpl: {mapping}: baryc_coords are no barycentric coordinates")
        return cls(corners=triangles.astype(np.int64)[at], shares=shares, refit=refit)

    def map_vertices(self, mhr: np.ndarray) -> np.ndarray:
        """Map MHR's vertices (N, V, 3) to SMPL's (N, 6890, 3), in the same unit. Errors: UnusableFile if not MHR."""
        if self.corners.max() >= mhr.shape[1]:
            raise UnusableFile(f"pred_vertices has {mhr.shape[1]} vertices, MHR's level of detail 1 has 18439")
        return np.einsum("nvkc,vk->nvc", mhr[:, self.corners], self.shares)


def _read_arrays(path: Path, what: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {names[0]: found}
        with found:
            return {name: found[name] for name in names}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{what}: {path} has no {' and '.join(names)} ({error})") from error

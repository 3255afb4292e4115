"""MHR's published mapping: SMPL's vertices on the triangles of MHR's mesh."""

import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.results.found import NotUsable
from annotators.results.refit import Refit
from humove.errors import UserError


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MhrMapping:
    """Where each of SMPL's vertices lies on MHR's surface."""

    corners: np.ndarray
    """(6890, 3) int64: MHR's vertices at the corners of its triangle."""
    shares: np.ndarray
    """(6890, 3): what each corner counts; rows sum to 1."""
    refit: Refit

    @classmethod
    def load(cls, mapping: Path, faces: Path, refit: Refit) -> "MhrMapping":
        """Reads mhr2smpl_mapping.npz and MHR's triangles. Errors: UserError where a file is not what it should be."""
        said = _arrays(mapping, "motion.results.mhr_to_smpl", ("triangle_ids", "baryc_coords"))
        triangles = _arrays(faces, "motion.results.mhr_faces", ("faces",))["faces"]
        at, shares = said["triangle_ids"].astype(np.int64), said["baryc_coords"].astype(np.float64)
        if (
            triangles.ndim != 2
            or triangles.shape[1] != 3
            or at.max(initial=0) >= len(triangles)
            or at.min(initial=0) < 0
        ):
            raise UserError(
                f"motion.results.mhr_faces: {faces} has triangles {triangles.shape}, the mapping names number "
                f"{at.max(initial=0)}; name those of MHR's level of detail 1"
            )
        if shares.shape != (len(at), 3) or np.abs(shares.sum(1) - 1).max(initial=0) > 1e-3:
            raise UserError(f"motion.results.mhr_to_smpl: {mapping}: baryc_coords are no barycentric coordinates")
        return cls(corners=triangles.astype(np.int64)[at], shares=shares, refit=refit)

    def vertices(self, mhr: np.ndarray) -> np.ndarray:
        """SMPL's vertices (N, 6890, 3) of MHR's (N, V, 3), in the same unit. Errors: NotUsable for another mesh."""
        if self.corners.max() >= mhr.shape[1]:
            raise NotUsable(f"pred_vertices has {mhr.shape[1]} vertices, MHR's level of detail 1 has 18439")
        return np.einsum("nvkc,vk->nvc", mhr[:, self.corners], self.shares)


def _arrays(path: Path, what: str, names: tuple[str, ...]) -> dict[str, np.ndarray]:
    try:
        found = np.load(path, allow_pickle=False)
        if isinstance(found, np.ndarray):
            return {names[0]: found}
        with found:
            return {name: found[name] for name in names}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f"{what}: {path} has no {' and '.join(names)} ({error})") from error

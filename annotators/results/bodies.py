"""The body models of result files."""

from dataclasses import dataclass

from annotators.results.mhr import MhrMapping
from annotators.results.smplx_body import SmplxBody
from annotators.smpl.body import SmplBody


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bodies:
    """SMPL for all formats, and the body models of single formats."""

    smpl: SmplBody
    smplx: SmplxBody | None = None
    """For GVHMR."""
    mhr: MhrMapping | None = None
    """For SAM 3D Body."""

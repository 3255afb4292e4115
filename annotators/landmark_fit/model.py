"""The fit's prior knowledge: the body, the positions of landmarks on it, and likely poses."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from annotators.landmark_fit.lift import Lifter, load_lifter
from annotators.landmark_fit.markers import Markers, load_markers
from annotators.landmark_fit.prior import PosePrior, load_prior
from annotators.smpl.body import SmplBody
from humove.motion.body import Body


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FitModel:
    """The proxy body at scale 1, its landmarks and the pose prior; the user's SMPL body if given."""

    rest_joints: np.ndarray
    """(24, 3) m, T-pose."""
    stature: float
    """Height of the body at scale 1, m."""
    markers: Markers
    prior: PosePrior
    lifter: Lifter
    smpl: SmplBody | None = None


def load_model(smpl_file: Path | None = None) -> FitModel:
    """Read the files baked into the package, and the SMPL file if given (UserError if it is no SMPL file)."""
    body = Body.load()
    return FitModel(
        rest_joints=np.asarray(body.rest_joints, dtype=np.float64),
        stature=body.stature,
        markers=load_markers(),
        prior=load_prior(),
        lifter=load_lifter(),
        smpl=SmplBody.load(smpl_file) if smpl_file else None,
    )

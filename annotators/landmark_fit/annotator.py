"""The annotator: landmarks in, SMPL motion out."""

from collections.abc import Sequence

import torch

from annotators.landmark_fit.clip import MotionInput, fit_clip
from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.landmark_fit.model import FitModel, load_model
from humove.reasons import Reason
from humove.stage import Reject, Resources
from humove.types import SmplMotion

__all__ = ["SHAPE_SOURCE", "LandmarkFit", "MotionInput"]

SHAPE_SOURCE = "proxy"
"""Where the body's shape comes from: a free stand-in body and a scale, not SMPL's own betas."""

_FEWEST_FRAMES = 3


class LandmarkFit:
    """SMPL motion of the proxy body, fitted to MediaPipe's landmarks over the whole clip."""

    name = "landmark_fit"
    version = "1"
    licence = "Apache-2.0"
    rights = "permissive"
    Settings = LandmarkFitConfig
    weights: tuple[str, ...] = ()
    resources = Resources(cpus=1.0)
    shape_source = SHAPE_SOURCE

    def __init__(self, config: LandmarkFitConfig | None = None) -> None:
        self.config = config or LandmarkFitConfig()
        self._model: FitModel | None = None

    def load(self, device: str = "cpu") -> None:
        """Reads the body and the tables; the fit is small and runs on the CPU whatever `device` says."""
        self._model = load_model()

    def annotate(self, batch: Sequence[MotionInput]) -> list[SmplMotion | Reject]:
        """One motion for each input; a clip that shows the person on fewer than three frames is rejected."""
        if self._model is None:
            raise RuntimeError("LandmarkFit.annotate before load")
        torch.set_num_threads(1)
        return [self._one(item, self._model) for item in batch]

    def _one(self, item: MotionInput, model: FitModel) -> SmplMotion | Reject:
        found = item.landmarks.found
        if found.sum() < _FEWEST_FRAMES:
            return Reject(
                reason=Reason.NO_PERSON,
                detail=f"person found on {int(found.sum())} of {len(found)} frames",
                score=float(found.sum()),
                threshold=float(_FEWEST_FRAMES),
            )
        return fit_clip(item, self.config, model)

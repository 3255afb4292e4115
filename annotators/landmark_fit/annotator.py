"""The annotator: landmarks in, SMPL motion out."""

from collections.abc import Sequence

import torch

from annotators.body_models import OPEN_BODY, SMPL_BODY
from annotators.landmark_fit.clip import MotionInput, fit_clip
from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.landmark_fit.model import FitModel, load_model
from humove.reasons import Reason
from humove.stage import Reject, Rights
from humove.types import SmplMotion

__all__ = ["LandmarkFit", "MotionInput"]

_FEWEST_FRAMES = 3


class LandmarkFit:
    """SMPL motion fitted to MediaPipe's landmarks over the whole clip: of the user's SMPL body, else of a stand-in.

    `shape_source` says which: "true" where betas and joints are SMPL's own, "proxy" where the body is a free stand-in
    with a scale and betas are zero.
    """

    name = "landmark_fit"
    version = "1"
    Settings = LandmarkFitConfig
    weights: tuple[str, ...] = ()
    optional_weights = ("smpl",)
    cpu_only = True
    needs_landmarks = True

    def __init__(self, config: LandmarkFitConfig | None = None) -> None:
        self.config = config or LandmarkFitConfig()
        with_smpl = bool(self.config.smpl.path or self.config.smpl.sha256)
        self.licence = f"Apache-2.0 (code), {SMPL_BODY['licence']}" if with_smpl else "Apache-2.0"
        self.rights: Rights = "non-commercial" if with_smpl else "permissive"
        self.shape_source = "true" if with_smpl else "proxy"
        self.body_model = SMPL_BODY if with_smpl else OPEN_BODY
        self._with_smpl = with_smpl
        self._model: FitModel | None = None

    def load(self, device: str = "cpu") -> None:
        """Reads the body and the tables; the fit is small and runs on the CPU whatever `device` says."""
        self._model = load_model(self.config.smpl.file("motion.landmark_fit.smpl") if self._with_smpl else None)

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

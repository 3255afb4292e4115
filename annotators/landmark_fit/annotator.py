"""The annotator: SMPL motion from landmarks."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from annotators.body_models import OPEN_BODY, SMPL_BODY
from annotators.landmark_fit.config import LandmarkFitConfig
from annotators.landmark_fit.motion_input import MotionInput
from humove.reasons import Reason
from humove.stage import Reject, Rights
from humove.types import SmplMotion

if TYPE_CHECKING:
    from annotators.landmark_fit.model import FitModel

__all__ = ["LandmarkFit", "MotionInput"]

_MIN_FRAMES = 3


class LandmarkFit:
    """SMPL motion fitted to MediaPipe's landmarks over the whole clip: of the user's SMPL body, else of a stand-in.

    `shape_source` is "true" if betas and joints are SMPL's own, "proxy" if the body is a free stand-in with a scale and
    betas are zero.
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
        """Read the body and the tables; the fit is small and runs on the CPU whatever `device` is."""
        import torch

        from annotators.landmark_fit.model import load_model

        torch.set_num_threads(1)
        self._model = load_model(self.config.smpl.resolve_file("motion.landmark_fit.smpl") if self._with_smpl else None)

    def annotate(self, batch: Sequence[MotionInput]) -> list[SmplMotion | Reject]:
        """Fit a motion to each input; a clip that shows the person on fewer than three frames is rejected."""
        if self._model is None:
            raise RuntimeError("LandmarkFit.annotate before load")
        return [self._fit_input(item, self._model) for item in batch]

    def _fit_input(self, item: MotionInput, model: "FitModel") -> SmplMotion | Reject:
        found = item.landmarks.found
        if found.sum() < _MIN_FRAMES:
            return Reject(
                reason=Reason.NO_PERSON,
                detail=f"person found on {int(found.sum())} of {len(found)} frames",
                score=float(found.sum()),
                threshold=float(_MIN_FRAMES),
            )
        from annotators.landmark_fit.clip import fit_clip

        return fit_clip(item, self.config, model)

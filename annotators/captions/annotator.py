"""The built-in captioner: no weights, no network; it says what pictures and motion measure."""

from collections.abc import Sequence
from dataclasses import replace

import cv2

from annotators.captions import appearance, background, phrases
from annotators.captions.config import CaptionConfig
from annotators.captions.inputs import CaptionInput
from annotators.captions.keypoints import sure_rows
from annotators.captions.kinematics import facts
from humove.skeleton_map import converted
from humove.skeletons import SKELETONS
from humove.types import Caption

_SKELETON = "mediapipe_33"
"""The one whose names what follows speaks of: a whole-body skeleton has the mouth by another."""


class KinematicCaptioner:
    """Captions of clothing colours, background and movement, every statement measured (source "kinematics")."""

    name = "kinematics"
    version = "2"
    licence = "Apache-2.0"
    rights = "permissive"
    cpu_only = True
    Settings = CaptionConfig
    weights: tuple[str, ...] = ()

    def __init__(self, config: CaptionConfig | None = None) -> None:
        self.config = config or CaptionConfig()

    def load(self, device: str) -> None:
        """Pins OpenCV to one thread, so that results don't depend on the machine's load; there are no weights."""
        cv2.setNumThreads(1)

    def annotate(self, batch: Sequence[CaptionInput]) -> list[Caption]:
        """One caption for each clip, in order; a function of that clip alone."""
        return [self._caption(clip) for clip in batch]

    def _caption(self, clip: CaptionInput) -> Caption:
        config = self.config
        if clip.pose2d.names != SKELETONS[_SKELETON]:
            clip = replace(clip, pose2d=converted(clip.pose2d, _SKELETON))
        good = clip.motion.valid & (clip.motion.confidence >= config.min_confidence)
        rows = sure_rows(clip.pose2d, config.min_visibility, good, config.picture_samples)
        looks = appearance.measure(clip, rows, config.min_visibility)
        place = background.measure(clip, rows[::2], config.camera_pairs, config.min_visibility)
        did = facts(clip.motion, clip.pose2d, float(clip.fps), camera_moving=place.camera.moving, config=config)
        who, where = appearance.phrase(looks), background.phrase(place)
        return Caption(
            appearance=who,
            background=where,
            action=phrases.action(did, config),
            full=phrases.full(who, "" if where == background.NOT_MEASURED else where, did, config),
            source=self.name,
        )

"""The built-in captioner, from measurements of frames and motion: no weights, no network."""

from collections.abc import Sequence
from dataclasses import replace

import cv2

from annotators.captions import phrases
from annotators.captions.config import CaptionConfig
from annotators.captions.inputs import CaptionInput
from annotators.captions.movement.keypoints import select_rows
from annotators.captions.movement.kinematics import measure_facts
from annotators.captions.scene import appearance, background
from humove.motion.skeleton_map import convert_skeleton
from humove.motion.skeletons import SKELETONS
from humove.types import Caption

_SKELETON = "mediapipe_33"
"""The skeleton whose keypoint names the measurements use; whole-body skeletons name the mouth otherwise."""


class KinematicCaptioner:
    """Captions of clothing colours, background and movement, all of them measured (source "kinematics")."""

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
        """Limit OpenCV to one thread, so that results do not depend on the machine's load."""
        cv2.setNumThreads(1)

    def annotate(self, batch: Sequence[CaptionInput]) -> list[Caption]:
        """Write one caption for each clip, in order, from that clip alone."""
        return [self._write_caption(clip) for clip in batch]

    def _write_caption(self, clip: CaptionInput) -> Caption:
        config = self.config
        if clip.pose2d.names != SKELETONS[_SKELETON]:
            clip = replace(clip, pose2d=convert_skeleton(clip.pose2d, _SKELETON))
        good = clip.motion.valid & (clip.motion.confidence >= config.min_confidence)
        rows = select_rows(clip.pose2d, config.min_visibility, good, config.picture_samples)
        wearing = appearance.measure_appearance(clip, rows, config.min_visibility)
        surroundings = background.measure_background(clip, rows[::2], config.camera_pairs, config.min_visibility)
        facts = measure_facts(
            clip.motion, clip.pose2d, float(clip.fps), camera_moving=surroundings.camera.moving, config=config
        )
        who, where = appearance.phrase_appearance(wearing), background.phrase_background(surroundings)
        return Caption(
            appearance=who,
            background=where,
            action=phrases.write_action(facts, config),
            full=phrases.write_full(who, "" if where == background.NOT_MEASURED else where, facts, config),
            source=self.name,
        )

"""The figures of one clip: what the model makes of it in the three modes, beside what needs no model."""

from dataclasses import asdict

import numpy as np
import torch

from echomotion_model.diffusion.sampler import Drawn
from echomotion_model.evaluation.answers import Answers
from echomotion_model.evaluation.baselines import Baselines
from echomotion_model.evaluation.measures import Detector, agreement, foot_skate
from echomotion_model.evaluation.target import Target
from echomotion_model.generation.trained import SamplingRun
from echomotion_model.motion.features import decode_features
from echomotion_model.train.measures import acceleration, mpjpe_mm, pa_mpjpe_mm, psnr_db

Figures = dict[str, dict[str, float | None]]
"""By who answers, then by measure."""


class ClipFigures:
    """The figures of one clip; None for what it has no answer to."""

    def __init__(
        self,
        run: SamplingRun,
        target: Target,
        other: Target | None,
        answers: Answers,
        baselines: Baselines,
        detect: Detector | None,
    ) -> None:
        self._run, self._target, self._baselines, self._detect = run, target, baselines, detect
        self.video_to_motion = self._seen(answers.seen)
        self.motion_to_video, self.consistency = self._shown(answers.shown, other)
        self.swapped = self._swapped(answers, other) if other is not None else {}
        self.joint = self._imagined(answers.imagined)
        self.made: dict[str, torch.Tensor] = {
            "motion": answers.imagined.motion_BTD,
            "video": answers.imagined.video_BCFHW,
        }

    def _seen(self, drawn: Drawn) -> Figures:
        target, valid = self._target, self._target.sample.valid
        answers = {
            "model": self._joints(drawn),
            "nearest": found.answer if (found := self._baselines.by_video.get(target.key)) else None,
            "mean_pose": np.broadcast_to(self._baselines.mean_pose, target.sample.joints.shape),
        }
        return {name: _errors(joints, target.sample.joints, valid) for name, joints in answers.items()}

    def _shown(self, drawn: Drawn, other: Target | None) -> tuple[Figures, Figures]:
        target, sample = self._target, self._target.sample
        made = self._run.pictures(drawn.video_BCFHW)
        mean = self._baselines.mean_pictures.get((target.bucket.width, target.bucket.height))
        answers = {
            "model": made,
            "nearest": found.answer if (found := self._baselines.by_motion.get(target.key)) else None,
            "mean_frame": None if mean is None else np.broadcast_to(mean, sample.video.shape),
        }
        figures = {
            name: {"psnr_db": None if pictures is None else psnr_db(pictures, sample.video)}
            for name, pictures in answers.items()
        }
        if self._detect is None:
            return figures, {}
        fps, camera = self._run.fps, sample.cam_intrinsics
        in_made, in_true = self._detect(made, fps), self._detect(sample.video, fps)
        return figures, {
            "model": asdict(agreement(sample.joints, camera, in_made)),
            "true_video": asdict(agreement(sample.joints, camera, in_true)),
            "other_motion": asdict(agreement(other.sample.joints, camera, in_made))
            if other is not None
            else {"error": None, "seen": None},
        }

    def _swapped(self, answers: Answers, other: Target) -> Figures:
        """How far the answers to the other clip's condition lie from that clip (`given`), and from this one, whose
        caption and noise they were made with (`named`)."""
        clips = {"given": other.sample, "named": self._target.sample}
        joints = self._joints(answers.seen_of_other)
        made = self._run.pictures(answers.shown_of_other.video_BCFHW)
        figures = {
            "video_to_motion": {
                who: _errors(joints, clip.joints, clip.valid)["pa_mpjpe_mm"] for who, clip in clips.items()
            },
            "motion_to_video": {who: psnr_db(made, clip.video) for who, clip in clips.items()},
        }
        if self._detect is not None:
            found = self._detect(made, self._run.fps)
            figures["motion_to_video_joints"] = {
                who: agreement(clip.joints, clip.cam_intrinsics, found).error for who, clip in clips.items()
            }
        return figures

    def _imagined(self, drawn: Drawn) -> Figures:
        fps = self._run.fps
        return {
            name: {"acceleration": acceleration(joints, fps), "foot_skate": foot_skate(joints, fps)}
            for name, joints in (("model", self._joints(drawn)), ("dataset", self._target.sample.joints))
        }

    def _joints(self, drawn: Drawn) -> np.ndarray:
        """(T, 24, 3) m, on the bones that the model tells of."""
        return decode_features(self._run.normalizer.restore(drawn.motion_BTD[0])).joints.numpy()


def _errors(joints: np.ndarray | None, true: np.ndarray, valid: np.ndarray) -> dict[str, float | None]:
    if joints is None or not valid.any():
        return {"mpjpe_mm": None, "pa_mpjpe_mm": None}
    return {"mpjpe_mm": mpjpe_mm(joints[valid], true[valid]), "pa_mpjpe_mm": pa_mpjpe_mm(joints[valid], true[valid])}

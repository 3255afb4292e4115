"""One clip of an evaluation: what the model makes of it in the three modes, beside what needs no model."""

from dataclasses import asdict

import numpy as np
import torch

from echomotion_model.diffusion.sampler import SamplingConfig
from echomotion_model.diffusion.tasks import Task
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
        baselines: Baselines,
        sampling: SamplingConfig,
        seed: int,
        detect: Detector | None,
        other: Target,
    ) -> None:
        self._run, self._target, self._baselines, self._detect = run, target, baselines, detect
        self._common = {"bucket": target.bucket, "seed": seed, "sampling": sampling}
        self.video_to_motion = self._seen()
        self.motion_to_video, self.consistency = self._shown(other)
        self.joint, self.made = self._imagined()

    def _seen(self) -> Figures:
        target, valid = self._target, self._target.sample.valid
        drawn = self._run.draw(Task.VIDEO_TO_MOTION, video_BCFHW=target.latents_BCFHW, **self._common)
        answers = {
            "model": self._joints(drawn.motion_BTD),
            "nearest": found.answer if (found := self._baselines.by_video.get(target.key)) else None,
            "mean_pose": np.broadcast_to(self._baselines.mean_pose, target.sample.joints.shape),
        }
        return {name: _errors(joints, target.sample.joints, valid) for name, joints in answers.items()}

    def _shown(self, other: Target) -> tuple[Figures, Figures]:
        target, sample = self._target, self._target.sample
        drawn = self._run.draw(
            Task.MOTION_TO_VIDEO, caption=sample.caption, motion_BTD=target.motion_BTD, **self._common
        )
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
        others = other.sample.joints if other is not target and other.bucket == target.bucket else None
        return figures, {
            "model": asdict(agreement(sample.joints, camera, in_made)),
            "true_video": asdict(agreement(sample.joints, camera, in_true)),
            "other_motion": asdict(agreement(others, camera, in_made))
            if others is not None
            else {"error": None, "seen": None},
        }

    def _imagined(self) -> tuple[Figures, dict[str, torch.Tensor]]:
        sample, fps = self._target.sample, self._run.fps
        drawn = self._run.draw(Task.JOINT, caption=sample.caption, **self._common)
        figures = {
            name: {"acceleration": acceleration(joints, fps), "foot_skate": foot_skate(joints, fps)}
            for name, joints in (("model", self._joints(drawn.motion_BTD)), ("dataset", sample.joints))
        }
        return figures, {"motion": drawn.motion_BTD, "video": drawn.video_BCFHW}

    def _joints(self, motion_BTD: torch.Tensor) -> np.ndarray:
        """(T, 24, 3) m, on the bones that the model tells of."""
        return decode_features(self._run.normalizer.restore(motion_BTD[0])).joints.numpy()


def _errors(joints: np.ndarray | None, true: np.ndarray, valid: np.ndarray) -> dict[str, float | None]:
    if joints is None or not valid.any():
        return {"mpjpe_mm": None, "pa_mpjpe_mm": None}
    return {"mpjpe_mm": mpjpe_mm(joints[valid], true[valid]), "pa_mpjpe_mm": pa_mpjpe_mm(joints[valid], true[valid])}

"""The figures of one clip: the model's three modes, beside baselines without a model."""

from dataclasses import asdict

import numpy as np
import torch

from echomotion_model.diffusion.sampler import SampleOutput
from echomotion_model.evaluation.baselines import Baselines
from echomotion_model.evaluation.clip_samples import ClipSamples
from echomotion_model.evaluation.measures import Detector, compute_foot_skate, measure_agreement
from echomotion_model.evaluation.target import Target
from echomotion_model.generation.sampling_run import SamplingRun
from echomotion_model.motion.features import decode_features
from echomotion_model.train.measures import compute_acceleration, mpjpe_mm, pa_mpjpe_mm, psnr_db

Figures = dict[str, dict[str, float | None]]
"""By source (model or baseline), then by measure."""


class ClipFigures:
    """The figures of one clip; None for those that it does not have."""

    def __init__(
        self,
        run: SamplingRun,
        target: Target,
        other: Target | None,
        samples: ClipSamples,
        baselines: Baselines,
        detect: Detector | None,
    ) -> None:
        self._run, self._target, self._baselines, self._detect = run, target, baselines, detect
        self.video_to_motion = self._measure_video_to_motion(samples.video_to_motion)
        self.motion_to_video, self.consistency = self._measure_motion_to_video(samples.motion_to_video, other)
        self.swapped = self._measure_swapped(samples, other) if other is not None else {}
        self.joint = self._measure_joint(samples.joint)
        self.generated: dict[str, torch.Tensor] = {
            "motion": samples.joint.motion_BTD,
            "video": samples.joint.video_BCFHW,
        }

    def _measure_video_to_motion(self, drawn: SampleOutput) -> Figures:
        target, valid = self._target, self._target.sample.valid
        outputs = {
            "model": self._decode_joints(drawn),
            "nearest": found.output if (found := self._baselines.by_video.get(target.key)) else None,
            "mean_pose": np.broadcast_to(self._baselines.mean_pose, target.sample.joints.shape),
        }
        return {name: _compute_errors(joints, target.sample.joints, valid) for name, joints in outputs.items()}

    def _measure_motion_to_video(self, drawn: SampleOutput, other: Target | None) -> tuple[Figures, Figures]:
        target, sample = self._target, self._target.sample
        generated = self._run.decode_video(drawn.video_BCFHW)
        mean = self._baselines.mean_frames.get((target.bucket.width, target.bucket.height))
        outputs = {
            "model": generated,
            "nearest": found.output if (found := self._baselines.by_motion.get(target.key)) else None,
            "mean_frame": None if mean is None else np.broadcast_to(mean, sample.video.shape),
        }
        figures = {
            name: {"psnr_db": None if frames is None else psnr_db(frames, sample.video)}
            for name, frames in outputs.items()
        }
        if self._detect is None:
            return figures, {}
        fps, camera = self._run.fps, sample.cam_intrinsics
        in_generated, in_true = self._detect(generated, fps), self._detect(sample.video, fps)
        return figures, {
            "model": asdict(measure_agreement(sample.joints, camera, in_generated)),
            "true_video": asdict(measure_agreement(sample.joints, camera, in_true)),
            "other_motion": asdict(measure_agreement(other.sample.joints, camera, in_generated))
            if other is not None
            else {"error": None, "seen": None},
        }

    def _measure_swapped(self, samples: ClipSamples, other: Target) -> Figures:
        """Measure the distance of samples with the other clip's condition from that clip (`given`), and from this one,
        whose caption and noise they have (`named`)."""
        clips = {"given": other.sample, "named": self._target.sample}
        joints = self._decode_joints(samples.swapped_video_to_motion)
        generated = self._run.decode_video(samples.swapped_motion_to_video.video_BCFHW)
        figures = {
            "video_to_motion": {
                who: _compute_errors(joints, clip.joints, clip.valid)["pa_mpjpe_mm"] for who, clip in clips.items()
            },
            "motion_to_video": {who: psnr_db(generated, clip.video) for who, clip in clips.items()},
        }
        if self._detect is not None:
            found = self._detect(generated, self._run.fps)
            figures["motion_to_video_joints"] = {
                who: measure_agreement(clip.joints, clip.cam_intrinsics, found).error for who, clip in clips.items()
            }
        return figures

    def _measure_joint(self, drawn: SampleOutput) -> Figures:
        fps = self._run.fps
        return {
            name: {"acceleration": compute_acceleration(joints, fps), "foot_skate": compute_foot_skate(joints, fps)}
            for name, joints in (("model", self._decode_joints(drawn)), ("dataset", self._target.sample.joints))
        }

    def _decode_joints(self, drawn: SampleOutput) -> np.ndarray:
        """Return (T, 24, 3) m, on the predicted bones."""
        return decode_features(self._run.normalizer.denormalize(drawn.motion_BTD[0])).joints.numpy()


def _compute_errors(joints: np.ndarray | None, true: np.ndarray, valid: np.ndarray) -> dict[str, float | None]:
    if joints is None or not valid.any():
        return {"mpjpe_mm": None, "pa_mpjpe_mm": None}
    return {"mpjpe_mm": mpjpe_mm(joints[valid], true[valid]), "pa_mpjpe_mm": pa_mpjpe_mm(joints[valid], true[valid])}

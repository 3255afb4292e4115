"""Samples of the three modes for a few clips, measured and written as videos."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from echomotion_model.data.catalogue import SampleIndex
from echomotion_model.data.sample import TrainingSample, load_sample
from echomotion_model.diffusion.guidance import VelocityPair
from echomotion_model.diffusion.sampler import SampleOutput, draw_samples
from echomotion_model.diffusion.tasks import Task
from echomotion_model.motion.features import PROXY, DecodedMotion, decode_features, encode_features
from echomotion_model.motion.normalizer import Normalizer
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.inputs.encoders import VideoCodec
from echomotion_model.train.inputs.frames import render_body, write_side_by_side
from echomotion_model.train.inputs.texts import CaptionEmbeddings
from echomotion_model.train.measures import compute_acceleration, mpjpe_mm, pa_mpjpe_mm, psnr_db
from humove.errors import EXIT_NO_SAMPLES, UserError
from shards.reader import Dataset

VALIDATION_FOLDER = "validation"


class _Interrupted(Exception):
    """The run was stopped during sampling."""


class Validation:
    """The clips, read and with encoded captions."""

    def __init__(
        self, dataset: Dataset, config: TrainConfig, codec: VideoCodec, texts: CaptionEmbeddings, normalizer: Normalizer
    ) -> None:
        self._config, self._codec, self._normalizer = config, codec, normalizer
        self.clips = read_validation_clips(dataset, config)
        self._texts = [texts.embed([clip.key], [clip.caption], 0) for clip in self.clips]
        self._null_LE = texts.embed_null()

    def run(
        self, model: Callable, device: torch.device, folder: Path | None, stopped: Callable[[], bool]
    ) -> dict[str, float] | None:
        """Sample every clip in each mode, write videos into `folder`, and return the means of each metric.

        `stopped` is called after each sampling step; once it is true, None is returned.
        """
        figures: dict[str, list[float]] = {}
        try:
            for clip, text_BLE in zip(self.clips, self._texts, strict=True):
                for name, value in self._validate_clip(model, device, clip, text_BLE, folder, stopped).items():
                    figures.setdefault(name, []).append(value)
        except _Interrupted:
            return None
        return {f"validation/{name}": float(np.mean(values)) for name, values in figures.items()}

    def _validate_clip(
        self,
        model: Callable,
        device: torch.device,
        clip: TrainingSample,
        text_BLE: torch.Tensor,
        folder: Path | None,
        stopped: Callable[[], bool],
    ) -> dict[str, float]:
        video_BCFHW, motion_BTD = self._encode_conditions(clip)
        latents_CFHW, features_TD = video_BCFHW.shape[1:], motion_BTD.shape[1:]
        grid_HW = tuple(
            size // patch for size, patch in zip(latents_CFHW[2:], self._config.model.patch[1:], strict=True)
        )

        def u(*arguments: torch.Tensor | None) -> VelocityPair:
            # Positions of motion tokens depend on the video's grid, and some passes have no video.
            return model(*arguments, grid_HW)

        def on_step(done: int) -> None:
            if stopped():
                raise _Interrupted

        def draw(task: Task, **inputs: object) -> SampleOutput:
            return draw_samples(
                u, task, null_LE=self._null_LE.to(device), seed=self._config.data.seed,
                sampling=self._config.validation.sampling, flow=self._config.flow, on_step=on_step, **inputs,
            )  # fmt: skip

        text_BLE = text_BLE.to(device)
        motion = draw(Task.VIDEO_TO_MOTION, video_BCFHW=video_BCFHW, motion_shape=features_TD)
        video = draw(Task.MOTION_TO_VIDEO, motion_BTD=motion_BTD, text_BLE=text_BLE, video_shape=latents_CFHW)
        joint = draw(Task.JOINT, text_BLE=text_BLE, video_shape=latents_CFHW, motion_shape=features_TD)
        motion, video = self._decode_motion(motion.motion_BTD, clip), self._decode_video(video.video_BCFHW)
        joint = self._decode_video(joint.video_BCFHW), self._decode_motion(joint.motion_BTD, None)
        if folder is not None:
            self._write_videos(folder, clip, motion, video, joint)
        fps, valid = self._config.data.buckets.fps, clip.valid
        figures = {
            "video_to_motion_acceleration": compute_acceleration(motion.joints.numpy(), fps),
            "motion_to_video_psnr_db": psnr_db(video, clip.video),
            "joint_acceleration": compute_acceleration(joint[1].joints.numpy(), fps),
        }
        if valid.any():
            sampled, true = motion.joints.numpy()[valid], clip.joints[valid]
            figures |= {
                "video_to_motion_mpjpe_mm": mpjpe_mm(sampled, true),
                "video_to_motion_pa_mpjpe_mm": pa_mpjpe_mm(sampled, true),
            }
        return figures

    def _encode_conditions(self, clip: TrainingSample) -> tuple[torch.Tensor, torch.Tensor]:
        """Encode a clip as a batch of one: video_BCFHW and normalised motion_BTD."""
        names = ("global_orient", "body_pose", "transl", "joints", "betas", "rest_joints")
        features_TD = encode_features(
            **{name: torch.from_numpy(getattr(clip, name)) for name in names},
            proxy=torch.tensor(clip.shape_source == PROXY),
        )
        with torch.no_grad():
            video_BCFHW = self._codec.encode_video(torch.from_numpy(clip.video)[None]).float().cpu()
        return video_BCFHW, self._normalizer.normalize(features_TD)[None]

    def _decode_motion(self, motion_BTD: torch.Tensor, clip: TrainingSample | None) -> DecodedMotion:
        """Decode sampled motion, on the clip's skeleton if one is given."""
        rest = None if clip is None else torch.from_numpy(clip.rest_joints)
        return decode_features(self._normalizer.denormalize(motion_BTD[0].cpu()), rest)

    def _decode_video(self, video_BCFHW: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return self._codec.decode_video(video_BCFHW)[0].cpu().numpy()

    def _write_videos(
        self,
        folder: Path,
        clip: TrainingSample,
        motion: DecodedMotion,
        video: np.ndarray,
        joint: tuple[np.ndarray, DecodedMotion],
    ) -> None:
        height, width = clip.video.shape[1:3]
        fps = self._config.data.buckets.fps
        true = replace(
            motion,
            **{name: torch.from_numpy(getattr(clip, name)) for name in ("global_orient", "body_pose", "transl")},
        )

        def render(motion: DecodedMotion) -> np.ndarray:
            return render_body(motion, clip.cam_intrinsics, height, width)

        write_side_by_side([clip.video, render(true), render(motion)], fps, folder / f"{clip.key}-video-to-motion.mp4")
        write_side_by_side([clip.video, render(true), video], fps, folder / f"{clip.key}-motion-to-video.mp4")
        write_side_by_side([joint[0], render(joint[1])], fps, folder / f"{clip.key}-joint.mp4")


def open_validation_index(dataset: Dataset, config: TrainConfig) -> SampleIndex:
    """Index the validation split, or the training split if none of its clips fits a bucket."""
    if config.validation.split in dataset.doc.splits:
        try:
            return SampleIndex(dataset, config.validation.split, config.data.buckets)
        except UserError as error:
            if error.exit_code != EXIT_NO_SAMPLES:
                raise
    return SampleIndex(dataset, config.data.split, config.data.buckets)


def read_validation_clips(dataset: Dataset, config: TrainConfig) -> list[TrainingSample]:
    """Read the first epoch's window of a few clips, evenly spaced over the split."""
    index = open_validation_index(dataset, config)
    loader = config.data.model_copy(update={"split": index.split})
    rows = [(row, bucket) for bucket, members in index.members.items() for row in members.tolist()]
    chosen = np.linspace(0, len(rows) - 1, min(config.validation.clips, len(rows))).round().astype(int)
    return [load_sample(dataset, index.get_entry(*rows[number]), loader, 0) for number in chosen]

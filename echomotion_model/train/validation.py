"""Samples of the three modes on a few clips, measured, and written as videos to be looked at."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

from echomotion_model.data.catalogue import Catalogue
from echomotion_model.data.sample import TrainingSample, load_sample
from echomotion_model.diffusion.guidance import Pair
from echomotion_model.diffusion.sampler import Drawn, sample
from echomotion_model.diffusion.tasks import Task
from echomotion_model.motion.features import PROXY, DecodedMotion, decode_features, encode_features
from echomotion_model.motion.normalizer import Normalizer
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.encoders import VideoCodec
from echomotion_model.train.measures import acceleration, mpjpe_mm, pa_mpjpe_mm, psnr_db
from echomotion_model.train.pictures import body_pictures, write_beside
from echomotion_model.train.texts import Texts
from humove.errors import EXIT_NO_SAMPLES, UserError
from shards.reader import Dataset

VALIDATION_FOLDER = "validation"


class _CutShort(Exception):
    """The run was told to stop in the middle of a sample."""


class Validation:
    """The clips, ready to be sampled from: read and encoded once."""

    def __init__(
        self, dataset: Dataset, config: TrainConfig, codec: VideoCodec, texts: Texts, normalizer: Normalizer
    ) -> None:
        self._config, self._codec, self._normalizer = config, codec, normalizer
        self.clips = read_clips(dataset, config)
        self._texts = [texts.of([clip.key], [clip.caption], 0) for clip in self.clips]
        self._null_LE = texts.null()

    def run(
        self, model: Callable, device: torch.device, folder: Path | None, stopped: Callable[[], bool]
    ) -> dict[str, float] | None:
        """Samples every clip in each mode; means over the clips, by the metric's name. Videos go to `folder`. None as
        soon as it is `stopped`, which is asked after each step."""
        figures: dict[str, list[float]] = {}
        try:
            for clip, text_BLE in zip(self.clips, self._texts, strict=True):
                for name, value in self._clip(model, device, clip, text_BLE, folder, stopped).items():
                    figures.setdefault(name, []).append(value)
        except _CutShort:
            return None
        return {f"validation/{name}": float(np.mean(values)) for name, values in figures.items()}

    def _clip(
        self,
        model: Callable,
        device: torch.device,
        clip: TrainingSample,
        text_BLE: torch.Tensor,
        folder: Path | None,
        stopped: Callable[[], bool],
    ) -> dict[str, float]:
        video_BCFHW, motion_BTD = self.conditions(clip)
        latents_CFHW, features_TD = video_BCFHW.shape[1:], motion_BTD.shape[1:]
        grid_HW = tuple(
            size // patch for size, patch in zip(latents_CFHW[2:], self._config.model.patch[1:], strict=True)
        )

        def u(*arguments: torch.Tensor | None) -> Pair:
            # Where motion stands depends on the video's grid, and some answers are to motion alone.
            return model(*arguments, grid_HW)

        def on_step(done: int) -> None:
            if stopped():
                raise _CutShort

        def made(task: Task, **given: object) -> Drawn:
            return sample(
                u, task, null_LE=self._null_LE.to(device), seed=self._config.data.seed,
                sampling=self._config.validation.sampling, flow=self._config.flow, on_step=on_step, **given,
            )  # fmt: skip

        text_BLE = text_BLE.to(device)
        seen = made(Task.VIDEO_TO_MOTION, video_BCFHW=video_BCFHW, motion_shape=features_TD)
        shown = made(Task.MOTION_TO_VIDEO, motion_BTD=motion_BTD, text_BLE=text_BLE, video_shape=latents_CFHW)
        joint = made(Task.JOINT, text_BLE=text_BLE, video_shape=latents_CFHW, motion_shape=features_TD)
        seen, shown = self._motion(seen.motion_BTD, clip), self._pictures(shown.video_BCFHW)
        both = self._pictures(joint.video_BCFHW), self._motion(joint.motion_BTD, None)
        if folder is not None:
            self._write(folder, clip, seen, shown, both)
        fps, valid = self._config.data.buckets.fps, clip.valid
        figures = {
            "video_to_motion_acceleration": acceleration(seen.joints.numpy(), fps),
            "motion_to_video_psnr_db": psnr_db(shown, clip.video),
            "joint_acceleration": acceleration(both[1].joints.numpy(), fps),
        }
        if valid.any():
            told, true = seen.joints.numpy()[valid], clip.joints[valid]
            figures |= {
                "video_to_motion_mpjpe_mm": mpjpe_mm(told, true),
                "video_to_motion_pa_mpjpe_mm": pa_mpjpe_mm(told, true),
            }
        return figures

    def conditions(self, clip: TrainingSample) -> tuple[torch.Tensor, torch.Tensor]:
        """video_BCFHW and normalised motion_BTD of a clip, a batch of one."""
        names = ("global_orient", "body_pose", "transl", "joints", "betas", "rest_joints")
        features_TD = encode_features(
            **{name: torch.from_numpy(getattr(clip, name)) for name in names},
            proxy=torch.tensor(clip.shape_source == PROXY),
        )
        with torch.no_grad():
            video_BCFHW = self._codec.encode_video(torch.from_numpy(clip.video)[None]).float().cpu()
        return video_BCFHW, self._normalizer.normalize(features_TD)[None]

    def _motion(self, motion_BTD: torch.Tensor, clip: TrainingSample | None) -> DecodedMotion:
        """What the model says, on the clip's own bones where it was shown the clip."""
        rest = None if clip is None else torch.from_numpy(clip.rest_joints)
        return decode_features(self._normalizer.restore(motion_BTD[0].cpu()), rest)

    def _pictures(self, video_BCFHW: torch.Tensor) -> np.ndarray:
        with torch.no_grad():
            return self._codec.decode_video(video_BCFHW)[0].cpu().numpy()

    def _write(
        self,
        folder: Path,
        clip: TrainingSample,
        seen: DecodedMotion,
        shown: np.ndarray,
        both: tuple[np.ndarray, DecodedMotion],
    ) -> None:
        height, width = clip.video.shape[1:3]
        fps = self._config.data.buckets.fps
        true = replace(
            seen,
            **{name: torch.from_numpy(getattr(clip, name)) for name in ("global_orient", "body_pose", "transl")},
        )

        def body(motion: DecodedMotion) -> np.ndarray:
            return body_pictures(motion, clip.cam_intrinsics, height, width)

        write_beside([clip.video, body(true), body(seen)], fps, folder / f"{clip.key}-video-to-motion.mp4")
        write_beside([clip.video, body(true), shown], fps, folder / f"{clip.key}-motion-to-video.mp4")
        write_beside([both[0], body(both[1])], fps, folder / f"{clip.key}-joint.mp4")


def validation_catalogue(dataset: Dataset, config: TrainConfig) -> Catalogue:
    """The samples that validation chooses from: the training split's where its own has none that fits a bucket."""
    if config.validation.split in dataset.doc.splits:
        try:
            return Catalogue(dataset, config.validation.split, config.data.buckets)
        except UserError as error:
            if error.exit_code != EXIT_NO_SAMPLES:
                raise
    return Catalogue(dataset, config.data.split, config.data.buckets)


def read_clips(dataset: Dataset, config: TrainConfig) -> list[TrainingSample]:
    """The first window of a few clips, spread over the split."""
    catalogue = validation_catalogue(dataset, config)
    loader = config.data.model_copy(update={"split": catalogue.split})
    rows = [(row, bucket) for bucket, members in catalogue.members.items() for row in members.tolist()]
    chosen = np.linspace(0, len(rows) - 1, min(config.validation.clips, len(rows))).round().astype(int)
    return [load_sample(dataset, catalogue.entry(*rows[index]), loader, 0) for index in chosen]

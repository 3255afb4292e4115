"""A trained run, opened for sampling."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from echomotion_model.diffusion.guidance import Pair
from echomotion_model.diffusion.sampler import Drawn, SamplingConfig, sample
from echomotion_model.diffusion.tasks import Task
from echomotion_model.generation.weights import TrainedWeights, open_weights
from echomotion_model.motion.features import encode_motion
from echomotion_model.motion.layout import FEATURES
from echomotion_model.train.encoders import Encoders, VideoCodec
from echomotion_model.train.texts import Texts
from humove.types import SmplMotion
from shards.buckets import Bucket

# B: samples; C F H W: latent channels, frames, rows, columns; T: motion frames; D: motion features; L E: text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SamplingRun(TrainedWeights):
    """A checkpoint's weights, with everything that goes with them."""

    codec: VideoCodec
    texts: Texts
    null_LE: torch.Tensor
    device: torch.device

    @property
    def fps(self) -> int:
        """Frames a second of what it makes."""
        return self.config.data.buckets.fps

    @torch.no_grad()
    def latents(self, video: np.ndarray) -> torch.Tensor:
        """latents_BCFHW, a batch of one, of pictures (T, H, W, 3) uint8 RGB, on the CPU."""
        return self.codec.encode_video(torch.from_numpy(video)[None]).float().cpu()

    @torch.no_grad()
    def pictures(self, latents_BCFHW: torch.Tensor) -> np.ndarray:
        """(T, H, W, 3) uint8 RGB of a batch of one."""
        return self.codec.decode_video(latents_BCFHW)[0].cpu().numpy()

    def features(self, motion: SmplMotion, shape_source: str) -> torch.Tensor:
        """Normalised motion_BTD, a batch of one, of motion at the model's rate."""
        return self.normalizer.normalize(encode_motion(motion, shape_source))[None]

    def draw(
        self,
        task: Task,
        bucket: Bucket,
        *,
        caption: str = "",
        video_BCFHW: torch.Tensor | None = None,
        motion_BTD: torch.Tensor | None = None,
        seed: int = 0,
        sampling: SamplingConfig | None = None,
        on_step: Callable[[int], None] | None = None,
    ) -> Drawn:
        """One sample of a task in a bucket's shape, on the CPU. Text and condition that the task has no use for are
        not looked at."""
        config = self.config
        stride, (_, down, across) = config.encoders.stride, config.model.patch
        high, wide = bucket.height // stride, bucket.width // stride
        latents = (bucket.frames - 1) // config.model.frame_stride + 1

        def u(*arguments: torch.Tensor | None) -> Pair:
            # Where motion stands depends on the video's grid, and some passes have no video.
            return self.model(*arguments, (high // down, wide // across))

        drawn = sample(
            u,
            task,
            null_LE=self.null_LE,
            text_BLE=self.texts.of([""], [caption], 0).to(self.device) if task.makes_video else None,
            video_BCFHW=None if task.makes_video else video_BCFHW,
            motion_BTD=None if task.makes_motion else motion_BTD,
            video_shape=(config.model.channels, latents, high, wide) if task.makes_video else None,
            motion_shape=(bucket.frames, FEATURES) if task.makes_motion else None,
            batch=1,
            seed=seed,
            sampling=sampling or config.validation.sampling,
            flow=config.flow,
            on_step=on_step,
        )
        return Drawn(video_BCFHW=drawn.video_BCFHW.cpu(), motion_BTD=drawn.motion_BTD.cpu())


def open_sampling_run(
    run: Path, *, checkpoint: str | None = None, use_ema: bool = True, device: str | None = None
) -> SamplingRun:
    """Opens the folder that training wrote.

    checkpoint: its name or its step; None: the last. use_ema: the averaged weights, where the run keeps them.
    device: in torch's spelling; None: a GPU where there is one. UserError where there is no such run or checkpoint.
    """
    weights = open_weights(run, checkpoint=checkpoint, use_ema=use_ema)
    config = weights.config
    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    precision = config.parallel.precision
    if precision == "bfloat16" or (precision == "auto" and where.type == "cuda"):
        weights.model.compute_dtype = torch.bfloat16
    weights.model.to(where)
    codec, text = Encoders(config.encoders)(str(where))
    texts = Texts(config.encoders.text_tokens, [], text)
    return SamplingRun(
        **{field.name: getattr(weights, field.name) for field in fields(weights)},
        codec=codec,
        texts=texts,
        null_LE=texts.null().to(where),
        device=where,
    )

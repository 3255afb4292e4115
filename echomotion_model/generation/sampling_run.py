"""A trained run for sampling."""

from collections.abc import Callable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
import torch

from echomotion_model.diffusion.guidance import VelocityPair
from echomotion_model.diffusion.sampler import SampleOutput, SamplingConfig, draw_samples
from echomotion_model.diffusion.tasks import Task
from echomotion_model.generation.weights import TrainedWeights, open_weights
from echomotion_model.motion.features import encode_motion
from echomotion_model.motion.layout import FEATURES
from echomotion_model.train.inputs.encoders import Encoders, VideoCodec
from echomotion_model.train.inputs.texts import CaptionEmbeddings
from humove.types import SmplMotion
from shards.buckets import Bucket

# B: samples; C F H W: latent channels, frames, rows, columns; T: motion frames; D: motion features; L E: text


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SamplingRun(TrainedWeights):
    """A checkpoint's weights with the encoders of the run."""

    codec: VideoCodec
    texts: CaptionEmbeddings
    null_LE: torch.Tensor
    device: torch.device

    @property
    def fps(self) -> int:
        """Frames per second of its samples."""
        return self.config.data.buckets.fps

    @torch.no_grad()
    def encode_video(self, video: np.ndarray) -> torch.Tensor:
        """Encode frames (T, H, W, 3) uint8 RGB to latents_BCFHW, a batch of one, on the CPU."""
        return self.codec.encode_video(torch.from_numpy(video)[None]).float().cpu()

    @torch.no_grad()
    def decode_video(self, latents_BCFHW: torch.Tensor) -> np.ndarray:
        """Decode a batch of one to (T, H, W, 3) uint8 RGB."""
        return self.codec.decode_video(latents_BCFHW)[0].cpu().numpy()

    def encode_motion(self, motion: SmplMotion, shape_source: str) -> torch.Tensor:
        """Encode motion at the model's rate to normalised motion_BTD, a batch of one."""
        return self.normalizer.normalize(encode_motion(motion, shape_source))[None]

    def draw_sample(
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
    ) -> SampleOutput:
        """Draw one sample of a task in a bucket's shape, on the CPU. Inputs that the task does not use are ignored."""
        config = self.config
        stride, (_, down, across) = config.encoders.stride, config.model.patch
        high, wide = bucket.height // stride, bucket.width // stride
        latents = (bucket.frames - 1) // config.model.frame_stride + 1

        def predict_velocity(*arguments: torch.Tensor | None) -> VelocityPair:
            # Motion positions depend on the video's grid, and some passes have no video.
            return self.model(*arguments, (high // down, wide // across))

        drawn = draw_samples(
            predict_velocity,
            task,
            null_LE=self.null_LE,
            text_BLE=self.texts.embed([""], [caption], 0).to(self.device) if task.makes_video else None,
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
        return SampleOutput(video_BCFHW=drawn.video_BCFHW.cpu(), motion_BTD=drawn.motion_BTD.cpu())


def open_sampling_run(
    run: Path, *, checkpoint: str | None = None, use_ema: bool = True, device: str | None = None
) -> SamplingRun:
    """Open a run's folder.

    checkpoint: its name or its step; None: the last. use_ema: the averaged weights, if the run has them.
    device: a torch device; None: a GPU if there is one. UserError if there is no such run or checkpoint.
    """
    weights = open_weights(run, checkpoint=checkpoint, use_ema=use_ema)
    config = weights.config
    target = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    precision = config.parallel.precision
    if precision == "bfloat16" or (precision == "auto" and target.type == "cuda"):
        weights.model.compute_dtype = torch.bfloat16
    weights.model.to(target)
    codec, text = Encoders(config.encoders)(str(target))
    texts = CaptionEmbeddings(config.encoders.text_tokens, [], text)
    return SamplingRun(
        **{field.name: getattr(weights, field.name) for field in fields(weights)},
        codec=codec,
        texts=texts,
        null_LE=texts.embed_null().to(target),
        device=target,
    )

"""The loader of motion windows."""

import hashlib
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import islice
from typing import Any

import numpy as np
import torch

from echomotion_model.data.config import LoaderConfig
from echomotion_model.data.motion import resample_motion
from echomotion_model.data.order import EpochOrder, RankStep, check_batch
from echomotion_model.data.window import draw_window
from echomotion_model.latents.reader import Latents
from echomotion_model.motion.features import PROXY, encode_features
from echomotion_model.train.inputs.motions import ClipMotion, MotionIndex
from humove.errors import UserError
from shards.buckets import Bucket


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionBatch:
    """One rank's part of a step: B windows of T frames with D = 235 unnormalised features; C F H W the latents'
    channels, frames, rows and columns."""

    bucket: Bucket
    keys: tuple[str, ...]
    captions: tuple[str, ...]
    """One of each sample's captions, the next in each epoch."""
    epoch: int
    weight: torch.Tensor
    """(B,) float32: 1, or 0 for a repeated sample that is excluded from the loss."""
    features_BTD: torch.Tensor
    latents_BCFHW: torch.Tensor | None
    """Video latents of the same windows, if the loader has latents."""


class MotionLoader:
    """Batches of motion windows for one rank, as data.loader.Loader for paired samples: whole epochs, a position that
    any number of ranks can resume from, `config.workers` threads that read ahead.

    With `latents` of the same clips, batches hold the encoded windows and their latents.
    """

    def __init__(
        self,
        index: MotionIndex,
        config: LoaderConfig,
        batch_size: int,
        *,
        latents: Latents | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        check_batch(batch_size, world_size)
        self._index, self._config, self._batch_size = index, config, batch_size
        self._latents, self._rank, self._world_size = latents, rank, world_size
        content = f"{index.identity} {config.seed} {batch_size} {config.buckets.model_dump_json()}"
        self._identity = hashlib.sha256(content.encode()).hexdigest()
        self._epoch, self._step = 0, 0

    def __iter__(self) -> Iterator[MotionBatch]:
        """Iterate over the remaining batches of this epoch."""
        order = EpochOrder(
            self._index.members,
            seed=self._config.seed,
            epoch=self._epoch,
            batch_size=self._batch_size,
            rank=self._rank,
            world_size=self._world_size,
        )
        for step, batch in self._load_ahead(order.iterate_steps(self._step)):
            self._step = step.number + 1
            if self._step == len(order):
                self._epoch, self._step = self._epoch + 1, 0
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """Get the position after the last batch."""
        return {"epoch": self._epoch, "step": self._step, "data": self._identity}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Set the position. UserError if it was saved with other motions, buckets, seed or batch size."""
        if state["data"] != self._identity:
            raise UserError(
                "the position to resume from was saved with other motions, buckets, seed or batch size; use the "
                "run's data sets and settings, or start a new run"
            )
        self._epoch, self._step = int(state["epoch"]), int(state["step"])

    def _load_ahead(self, steps: Iterator[RankStep]) -> Iterator[tuple[RankStep, MotionBatch]]:
        if not self._config.workers:
            yield from ((step, self._load_batch(step)) for step in steps)
            return
        with ThreadPoolExecutor(self._config.workers) as threads:
            reading: deque[tuple[RankStep, Future[MotionBatch]]] = deque()
            try:
                for step in islice(steps, 2 * self._config.workers):
                    reading.append((step, threads.submit(self._load_batch, step)))
                while reading:
                    step, batch = reading.popleft()
                    following = next(steps, None)
                    if following is not None:
                        reading.append((following, threads.submit(self._load_batch, following)))
                    yield step, batch.result()
            finally:
                threads.shutdown(wait=True, cancel_futures=True)

    def _load_batch(self, step: RankStep) -> MotionBatch:
        rows = [self._index.get_row(row) for row in step.rows]
        clips = [self._index.read(row) for row in step.rows]
        videos = None
        if self._latents is None:
            instants = [self._draw_instants(row, step) for row in rows]
        else:
            windows = [self._latents.read_window(row["key"], step.epoch) for row in rows]
            instants = [window.instants_T for window in windows]
            videos = torch.stack([window.latents_CFhw.float() for window in windows])
        features = [compute_features(clip, window) for clip, window in zip(clips, instants, strict=True)]
        return MotionBatch(
            bucket=step.bucket,
            keys=tuple(row["key"] for row in rows),
            captions=tuple(clip.captions[step.epoch % len(clip.captions)] for clip in clips),
            epoch=step.epoch,
            weight=torch.tensor(step.weights),
            features_BTD=torch.stack(features),
            latents_BCFHW=videos,
        )

    def _draw_instants(self, row: dict[str, Any], step: RankStep) -> np.ndarray:
        fps, seed = self._config.buckets.fps, self._config.seed
        return draw_window(row["key"], row["num_frames"], row["fps"], step.bucket.frames, fps, seed, step.epoch)


def compute_features(clip: ClipMotion, instants_T: np.ndarray) -> torch.Tensor:
    """Compute features (T, 235) of a clip at instants, in its frames."""
    motion = resample_motion(clip.motion, instants_T)
    arrays = {name: getattr(motion, name) for name in ("global_orient", "body_pose", "transl", "joints")}
    arrays |= {"betas": clip.motion.betas, "rest_joints": clip.motion.rest_joints}
    return encode_features(
        **{name: torch.from_numpy(array) for name, array in arrays.items()},
        proxy=torch.tensor(clip.shape_source == PROXY),
    )

"""Windows of motion, batch by batch."""

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
from echomotion_model.data.motion import motion_at
from echomotion_model.data.order import EpochOrder, Step, check_batch
from echomotion_model.data.window import draw_window
from echomotion_model.latents.reader import Latents
from echomotion_model.motion.features import PROXY, encode_features
from echomotion_model.train.motions import Clip, MotionCatalogue
from humove.errors import UserError
from shards.buckets import Bucket


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class MotionBatch:
    """One rank's part of a step: B windows of T frames; D the 235 features, as they are, not normalised; C F H W the
    latents' channels, frames, rows and columns."""

    bucket: Bucket
    keys: tuple[str, ...]
    captions: tuple[str, ...]
    """One of each sample's, another one in each epoch."""
    epoch: int
    weight: torch.Tensor
    """(B,) float32: 1, or 0 for a repeat that must not count in the loss."""
    features_BTD: torch.Tensor
    latents_BCFHW: torch.Tensor | None
    """The video of the same windows, where the loader was given latents."""


class MotionLoader:
    """Batches of windows of motion for one rank, as data.loader.Loader gives those of paired samples: whole epochs,
    a position that any number of ranks can go on from, `config.workers` threads that read ahead.

    With `latents` of the same clips, windows are those that the latents were made of, and come with them.
    """

    def __init__(
        self,
        catalogue: MotionCatalogue,
        config: LoaderConfig,
        batch_size: int,
        *,
        latents: Latents | None = None,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        check_batch(batch_size, world_size)
        self._catalogue, self._config, self._batch_size = catalogue, config, batch_size
        self._latents, self._rank, self._world_size = latents, rank, world_size
        said = f"{catalogue.identity} {config.seed} {batch_size} {config.buckets.model_dump_json()}"
        self._identity = hashlib.sha256(said.encode()).hexdigest()
        self._epoch, self._step = 0, 0

    def __iter__(self) -> Iterator[MotionBatch]:
        """The batches left in this epoch."""
        order = EpochOrder(
            self._catalogue.members,
            seed=self._config.seed,
            epoch=self._epoch,
            batch_size=self._batch_size,
            rank=self._rank,
            world_size=self._world_size,
        )
        for step, batch in self._ahead(order.steps(self._step)):
            self._step = step.number + 1
            if self._step == len(order):
                self._epoch, self._step = self._epoch + 1, 0
            yield batch

    def state_dict(self) -> dict[str, Any]:
        """The position after the batch last handed out."""
        return {"epoch": self._epoch, "step": self._step, "data": self._identity}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Goes to a position. UserError where it was saved with other motions, buckets, seed or batch size."""
        if state["data"] != self._identity:
            raise UserError(
                "the position to resume from was saved with other motions, buckets, seed or batch size; give the data "
                "sets and settings of the run, or start a new one"
            )
        self._epoch, self._step = int(state["epoch"]), int(state["step"])

    def _ahead(self, steps: Iterator[Step]) -> Iterator[tuple[Step, MotionBatch]]:
        if not self._config.workers:
            yield from ((step, self._load(step)) for step in steps)
            return
        with ThreadPoolExecutor(self._config.workers) as threads:
            reading: deque[tuple[Step, Future[MotionBatch]]] = deque()
            try:
                for step in islice(steps, 2 * self._config.workers):
                    reading.append((step, threads.submit(self._load, step)))
                while reading:
                    step, batch = reading.popleft()
                    following = next(steps, None)
                    if following is not None:
                        reading.append((following, threads.submit(self._load, following)))
                    yield step, batch.result()
            finally:
                threads.shutdown(wait=True, cancel_futures=True)

    def _load(self, step: Step) -> MotionBatch:
        places = [self._catalogue.place(row) for row in step.rows]
        clips = [self._catalogue.read(row) for row in step.rows]
        videos = None
        if self._latents is None:
            instants = [self._drawn(place, step) for place in places]
        else:
            windows = [self._latents.window(place["key"], step.epoch) for place in places]
            instants = [window.instants_T for window in windows]
            videos = torch.stack([window.latents_CFhw.float() for window in windows])
        features = [features_at(clip, window) for clip, window in zip(clips, instants, strict=True)]
        return MotionBatch(
            bucket=step.bucket,
            keys=tuple(place["key"] for place in places),
            captions=tuple(clip.captions[step.epoch % len(clip.captions)] for clip in clips),
            epoch=step.epoch,
            weight=torch.tensor(step.weights),
            features_BTD=torch.stack(features),
            latents_BCFHW=videos,
        )

    def _drawn(self, place: dict[str, Any], step: Step) -> np.ndarray:
        fps, seed = self._config.buckets.fps, self._config.seed
        return draw_window(place["key"], place["num_frames"], place["fps"], step.bucket.frames, fps, seed, step.epoch)


def features_at(clip: Clip, instants_T: np.ndarray) -> torch.Tensor:
    """(T, 235) features of a clip at instants in its frames."""
    moved = motion_at(clip.motion, instants_T)
    arrays = {name: getattr(moved, name) for name in ("global_orient", "body_pose", "transl", "joints")}
    arrays |= {"betas": clip.motion.betas, "rest_joints": clip.motion.rest_joints}
    return encode_features(
        **{name: torch.from_numpy(array) for name, array in arrays.items()},
        proxy=torch.tensor(clip.shape_source == PROXY),
    )

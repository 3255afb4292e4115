"""The data of a run: the sets that it reads, their encoded windows, and the normalisation of their motion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from echomotion_model.data.loader import Loader
from echomotion_model.data.window import whole_clip
from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.documents import json_name
from echomotion_model.latents.plan import LATENTS_FOLDER, plan_latents
from echomotion_model.latents.protocol import MeantIds, TextEncoder
from echomotion_model.latents.reader import Latents, open_latents
from echomotion_model.latents.stage import EncodeShard
from echomotion_model.motion.normalizer import Normalizer
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.encoders import Encoders, VideoCodec
from echomotion_model.train.motion_loader import MotionLoader, features_at
from echomotion_model.train.motions import MotionCatalogue
from echomotion_model.train.source import MotionSource, Source, VideoSource
from echomotion_model.train.texts import Texts
from echomotion_model.train.world import World
from humove.errors import UserError
from shards.motion_only import MotionOnlyDataset, open_motion_only
from shards.reader import Dataset, open_dataset

NORMALIZER_FILE = "normalizer.npz"
_FITTED = 5000
"""Clips that the normalisation is taken of, spread evenly, where there are more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sets:
    """The opened sets of a run."""

    paired: Dataset
    motion_only: tuple[MotionOnlyDataset, ...]
    motions: MotionCatalogue
    """What the first phase reads: motion of all sets."""


def open_sets(dataset: str, motion_only: Sequence[str], config: TrainConfig) -> Sets:
    """UserError where a set is not there, or has nothing that trains."""
    paired, others = open_dataset(dataset), tuple(map(open_motion_only, motion_only))
    return Sets(paired=paired, motion_only=others, motions=MotionCatalogue(paired, others, config.data))


def find_latents(sets: Sets, config: TrainConfig, load: Encoders | None) -> list[Latents | None]:
    """The side shards of each set, the paired one first; None for a set without any.

    They lie in the set's own folder, or for the paired one where encoders.latents says. UserError where some are
    missing or stale, where they were made with other encoders than those of `load`, as far as it knows them, and where
    the texts of two sets were made with two encoders.
    """
    sources = (sets.paired, *sets.motion_only)
    places = [config.encoders.latents or _beside(sets.paired), *map(_beside, sets.motion_only)]
    meant = load.meant() if load and any(places) else MeantIds()
    of_texts = MeantIds(text=meant.text)
    found = [
        open_latents(
            place, source, config.data, encoders=meant if source is sets.paired else of_texts, all_splits=True
        ) if place else None
        for place, source in zip(places, sources, strict=True)
    ]  # fmt: skip
    _check_one_text([each for each in found if each is not None])
    return found


def _beside(source: Dataset | MotionOnlyDataset) -> str:
    """Where a set's own side shards lie; empty where it has none."""
    there = source.store.names(LATENTS_FOLDER)
    if not any(json_name(row.name) in there for row in source.shards()):
        return ""
    return f"{source.path.rstrip('/')}/{LATENTS_FOLDER}"


def _check_one_text(found: Sequence[Latents]) -> None:
    """UserError where texts would mean one thing in one set and another in the next."""
    for each in found[1:]:
        first, other = (latents.made_from.encoders.text for latents in (found[0], each))
        if first != other:
            raise UserError(
                f"the texts of {found[0].path} were made with {first.name} {first.hash[:12]}, those of {each.path} "
                f"with {other.name} {other.hash[:12]}; run `humove latents` on all sets with one text encoder"
            )


class Sources:
    """Makes the source of each phase."""

    def __init__(
        self, sets: Sets, config: TrainConfig, run: Path, load: Encoders, world: World, say: Callable[[str], None]
    ) -> None:
        self._sets, self._config, self._run, self._load, self._world, self._say = sets, config, run, load, world, say
        self._video: VideoCodec | None = None
        self._text: TextEncoder | None = None
        # The first process alone looks at the encoders' files, which may be of tens of GB.
        self._paired, *others = find_latents(sets, config, load if world.main else None)
        if self._paired is None and config.encoders.windows:
            self._paired = self._made()
        found = [each for each in (self._paired, *others) if each is not None]
        whole = len(found) == 1 + len(others)
        self.texts = Texts(config.encoders.text_tokens, found, None if whole else self.text())

    def video(self) -> VideoCodec:
        """Loaded when it is first asked for, as is the text encoder: with latents it may never be."""
        if self._video is None:
            self._video = self._load.video(str(self._world.device))
        return self._video

    def text(self) -> TextEncoder:
        if self._text is None:
            self._text = self._load.text(str(self._world.device))
        return self._text

    def motion(self, normalizer: Normalizer) -> Source:
        """Of the first phase."""
        return self._motions(self._sets.motions, self._config.phases.motion.batch_size, None, normalizer)

    def paired(self, normalizer: Normalizer) -> Source:
        """Of the second phase."""
        if self._paired is not None:
            catalogue = MotionCatalogue(self._sets.paired, (), self._config.data)
            return self._motions(catalogue, self._config.data.batch_size, self._paired, normalizer)
        loader = Loader(self._sets.paired, self._config.data, rank=self._world.rank, world_size=self._world.size)
        return VideoSource(loader, self.texts, normalizer, self.video(), self._world.device)

    def _motions(
        self, catalogue: MotionCatalogue, batch_size: int, latents: Latents | None, normalizer: Normalizer
    ) -> Source:
        loader = MotionLoader(
            catalogue, self._config.data, batch_size,
            latents=latents, rank=self._world.rank, world_size=self._world.size,
        )  # fmt: skip
        return MotionSource(loader, self.texts, normalizer)

    def _made(self) -> Latents:
        """Those of the run's own, made now where they are not there already."""
        folder, dataset, config = self._run / LATENTS_FOLDER, self._sets.paired, self._config
        if self._world.main:
            settings = LatentsSettings(
                buckets=config.data.buckets, seed=config.data.seed, windows=config.encoders.windows
            )
            folder.mkdir(parents=True, exist_ok=True)
            jobs = plan_latents(dataset.path, folder, settings, self._load.ids()).jobs
            if jobs:
                clips = sum(job.num_samples for job in jobs)
                self._say(f"encoding {config.encoders.windows} windows of each of {clips} clips, once for all")
                stage = EncodeShard(lambda device: (self.video(), self.text()), device=str(self._world.device))
                stage.setup()
                for job in jobs:
                    stage.process(job)
        self._world.barrier()
        return open_latents(str(folder), dataset, config.data, all_splits=True)


def fit_normalizer(catalogue: MotionCatalogue, fps: int) -> Normalizer:
    """The mean and deviation of features at the training rate, over whole clips."""
    rows = np.sort(np.concatenate(list(catalogue.members.values())))
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _FITTED)).round().astype(int)]

    def features(row: int) -> torch.Tensor:
        place = catalogue.place(row)
        return features_at(catalogue.read(row), whole_clip(place["num_frames"], place["fps"], fps))

    return Normalizer.fit(features(int(row)) for row in rows)


def saved_normalizer(run: Path, fit: Callable[[], Normalizer], world: World) -> Normalizer:
    """The run's own: made once, then the same for as long as the run lives."""
    path = run / NORMALIZER_FILE
    if world.main and not path.exists():
        fit().save(path)
    world.barrier()
    return Normalizer.load(path)

"""The data of a run: its data sets, their latents, and the normalisation of motion."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from echomotion_model.data.loader import Loader
from echomotion_model.data.window import compute_clip_instants
from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.plan import LATENTS_FOLDER, plan_latents
from echomotion_model.latents.protocol import ExpectedEncoders, TextEncoder
from echomotion_model.latents.reader import Latents, open_latents
from echomotion_model.latents.schemas import get_json_name
from echomotion_model.latents.stage import EncodeShard
from echomotion_model.motion.normalizer import Normalizer
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.inputs.encoders import Encoders, VideoCodec
from echomotion_model.train.inputs.motion_loader import MotionLoader, compute_features
from echomotion_model.train.inputs.motions import MotionIndex
from echomotion_model.train.inputs.source import BatchSource, MotionSource, VideoSource
from echomotion_model.train.inputs.texts import CaptionEmbeddings
from echomotion_model.train.run.dist_context import DistContext
from humove.errors import UserError
from shards.motion_only.dataset import MotionOnlyDataset, open_motion_only
from shards.reader import Dataset, open_dataset

NORMALIZER_FILE = "normalizer.npz"
_MAX_FITTED = 5000
"""Maximum number of clips, evenly spaced, that the normalisation is fitted to."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainSets:
    """The opened sets of a run."""

    paired: Dataset
    motion_only: tuple[MotionOnlyDataset, ...]
    motions: MotionIndex
    """The motion of all sets, for the first phase."""


def open_sets(dataset: str, motion_only: Sequence[str], config: TrainConfig) -> TrainSets:
    """Open the data sets. UserError if one is missing or has nothing to train on."""
    paired, others = open_dataset(dataset), tuple(map(open_motion_only, motion_only))
    return TrainSets(paired=paired, motion_only=others, motions=MotionIndex(paired, others, config.data))


def find_latents(sets: TrainSets, config: TrainConfig, load: Encoders | None) -> list[Latents | None]:
    """Open the latents of each set, the paired one first; None for a set without any.

    They are in the set's folder, or for the paired set at encoders.latents. UserError if some are missing or stale, if
    they were made with other encoders than those of `load`, as far as it knows them, or if the captions of two sets
    were encoded with different encoders.
    """
    sources = (sets.paired, *sets.motion_only)
    paths = [config.encoders.latents or _find_own_latents(sets.paired), *map(_find_own_latents, sets.motion_only)]
    expected = load.get_expected() if load and any(paths) else ExpectedEncoders()
    text_only = ExpectedEncoders(text=expected.text)
    found = [
        open_latents(
            path, source, config.data, encoders=expected if source is sets.paired else text_only, all_splits=True
        ) if path else None
        for path, source in zip(paths, sources, strict=True)
    ]  # fmt: skip
    _check_text_encoders([each for each in found if each is not None])
    return found


def _find_own_latents(source: Dataset | MotionOnlyDataset) -> str:
    """Find the latents in a set's own folder; return their path, or "" if there are none."""
    names = source.store.names(LATENTS_FOLDER)
    if not any(get_json_name(row.name) in names for row in source.list_shards()):
        return ""
    return f"{source.path.rstrip('/')}/{LATENTS_FOLDER}"


def _check_text_encoders(found: Sequence[Latents]) -> None:
    """Raise UserError if the captions of the sets were encoded with different encoders."""
    for each in found[1:]:
        first, other = (latents.made_from.encoders.text for latents in (found[0], each))
        if first != other:
            raise UserError(
                f"the captions of {found[0].path} were encoded with {first.name} {first.hash[:12]}, those of "
                f"{each.path} with {other.name} {other.hash[:12]}; encode all sets with one text encoder"
            )


class BatchSources:
    """Makes the batch source of each phase."""

    def __init__(
        self, sets: TrainSets, config: TrainConfig, run: Path, load: Encoders, context: DistContext,
        say: Callable[[str], None],
    ) -> None:  # fmt: skip
        self._sets, self._config, self._run = sets, config, run
        self._load, self._context, self._say = load, context, say
        self._video: VideoCodec | None = None
        self._text: TextEncoder | None = None
        # Only the first process hashes the encoders' files, which may have tens of GB.
        self._paired, *others = find_latents(sets, config, load if context.main else None)
        if self._paired is None and config.encoders.windows:
            self._paired = self._encode_paired()
        found = [each for each in (self._paired, *others) if each is not None]
        complete = len(found) == 1 + len(others)
        self.texts = CaptionEmbeddings(config.encoders.text_tokens, found, None if complete else self.load_text())

    def load_video(self) -> VideoCodec:
        """Load the video codec on first use; with latents it may not be needed."""
        if self._video is None:
            self._video = self._load.load_video(str(self._context.device))
        return self._video

    def load_text(self) -> TextEncoder:
        if self._text is None:
            self._text = self._load.load_text(str(self._context.device))
        return self._text

    def make_source(self, phase: str, normalizer: Normalizer) -> BatchSource:
        """Make the source of a phase: motion or paired."""
        if phase == "motion":
            batch_size = self._config.phases.motion.batch_size
            return self._make_motion_source(self._sets.motions, batch_size, None, normalizer)
        if self._paired is not None:
            index = MotionIndex(self._sets.paired, (), self._config.data)
            return self._make_motion_source(index, self._config.data.batch_size, self._paired, normalizer)
        loader = Loader(self._sets.paired, self._config.data, rank=self._context.rank, world_size=self._context.size)
        return VideoSource(loader, self.texts, normalizer, self.load_video(), self._context.device)

    def _make_motion_source(
        self, index: MotionIndex, batch_size: int, latents: Latents | None, normalizer: Normalizer
    ) -> BatchSource:
        loader = MotionLoader(
            index, self._config.data, batch_size,
            latents=latents, rank=self._context.rank, world_size=self._context.size,
        )  # fmt: skip
        return MotionSource(loader, self.texts, normalizer)

    def _encode_paired(self) -> Latents:
        """Encode the paired set's windows into the run's folder, unless that is done, and open them."""
        folder, dataset, config = self._run / LATENTS_FOLDER, self._sets.paired, self._config
        if self._context.main:
            settings = LatentsSettings(
                buckets=config.data.buckets, seed=config.data.seed, windows=config.encoders.windows
            )
            folder.mkdir(parents=True, exist_ok=True)
            jobs = plan_latents(dataset.path, folder, settings, self._load.compute_ids()).jobs
            if jobs:
                clips = sum(job.num_samples for job in jobs)
                self._say(f"encoding {config.encoders.windows} windows of each of {clips} clips")
                device = str(self._context.device)
                stage = EncodeShard(lambda _: (self.load_video(), self.load_text()), device=device)
                stage.setup()
                for job in jobs:
                    stage.process(job)
        self._context.barrier()
        return open_latents(str(folder), dataset, config.data, all_splits=True)


def fit_normalizer(index: MotionIndex, fps: int) -> Normalizer:
    """Fit the mean and deviation of features at the training rate over whole clips."""
    rows = np.sort(np.concatenate(list(index.members.values())))
    rows = rows[np.linspace(0, len(rows) - 1, min(len(rows), _MAX_FITTED)).round().astype(int)]

    def read_features(row: int) -> torch.Tensor:
        entry = index.get_row(row)
        return compute_features(index.read(row), compute_clip_instants(entry["num_frames"], entry["fps"], fps))

    return Normalizer.fit(read_features(int(row)) for row in rows)


def load_or_fit_normalizer(run: Path, fit: Callable[[], Normalizer], context: DistContext) -> Normalizer:
    """Load the run's normalizer; the first call of a run fits and saves it."""
    path = run / NORMALIZER_FILE
    if context.main and not path.exists():
        fit().save(path)
    context.barrier()
    return Normalizer.load(path)

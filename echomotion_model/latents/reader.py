"""Reads side shards: the latents and text of a sample, by its key, beside the sample itself."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from echomotion_model.data.config import LoaderConfig
from echomotion_model.latents.arrays import decode_tensor
from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.documents import MadeFrom, SideShard, null_text_name
from echomotion_model.latents.plan import read_side_shard, staleness
from echomotion_model.latents.protocol import MeantIds
from humove.errors import EXIT_DEFECT, UserError
from humove.storage import Store, open_store
from shards.motion_only import MotionOnlyDataset
from shards.reader import Dataset

_ANY = MeantIds()
_DAMAGE = (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Window:
    """A clip's window in time, encoded. C channels, F h w the latents' frames, height and width; T frames."""

    latents_CFhw: torch.Tensor
    """In the dtype that it was stored in."""
    instants_T: np.ndarray
    """(T,) float64, in frames of the stored clip: what the loader drew, so that motion is taken at these."""


class Latents:
    """The side shards of one split of a data set, or of all. Memory: some 100 bytes a clip."""

    def __init__(self, path: str, store: Store, shards: Sequence[SideShard]) -> None:
        self.path, self._store = path, store
        self.made_from: MadeFrom = shards[0].made_from
        self._shards = [shard.made_from.shard for shard in shards]
        self._rows: dict[str, tuple[int, int, int]] = {}
        windows, texts = [], []
        for number, shard in enumerate(shards):
            for key, entry in shard.samples.items():
                self._rows[key] = (number, len(windows), len(texts))
                windows += [entry.windows] if entry.windows else []
                texts += entry.texts
        self._windows = np.array(windows, np.int64).reshape(-1, self.settings.windows, 2)
        self._texts = np.array([*texts, (0, 0)], np.int64)
        self._text_ends = dict(zip(self._rows, [row[2] for row in self._rows.values()][1:] + [len(texts)], strict=True))

    @property
    def settings(self) -> LatentsSettings:
        """What they were made with."""
        return self.made_from.settings

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def window(self, key: str, epoch: int) -> Window:
        """A clip's window of an epoch: epochs go round the stored windows. UserError where there is none."""
        shard, row, _ = self._row(key)
        if not len(self._windows):
            raise UserError(f"{self.path} holds no video latents: its data set is of motion alone")
        values, arrays = self._read(shard, self._windows[row, epoch % self.settings.windows], key)
        return Window(latents_CFhw=values, instants_T=arrays["instants"])

    def num_texts(self, key: str) -> int:
        """How many captions a sample has."""
        return self._text_ends[key] - self._row(key)[2]

    def text(self, key: str, number: int = 0) -> torch.Tensor:
        """tokens_LD of a caption, without padding; of "" for a sample without any. UserError where it is missing."""
        shard, _, first = self._row(key)
        if not self.num_texts(key):
            return self.null_text()
        return self._read(shard, self._texts[first + number % self.num_texts(key)], key)[0]

    def null_text(self) -> torch.Tensor:
        """tokens_LD of "": what a dropped caption is replaced by."""
        name = null_text_name(self.made_from.encoders.text.hash, self.settings.dtype)
        try:
            return decode_tensor(self._store.read(name))[0]
        except _DAMAGE as error:
            raise self._told(name, error) from error

    def _row(self, key: str) -> tuple[int, int, int]:
        if key not in self._rows:
            raise UserError(f"{self.path} holds no latents of {key}; run `humove latents` with the training's buckets")
        return self._rows[key]

    def _read(self, shard: int, place: np.ndarray, key: str) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
        offset, size = map(int, place)
        try:
            return decode_tensor(self._store.read_range(self._shards[shard], offset, offset + size))
        except _DAMAGE as error:
            raise self._told(f"{self._shards[shard]} at {key}", error) from error

    def _told(self, name: str, error: Exception) -> UserError:
        if isinstance(error, ConnectionError):
            return UserError(f"{self.path}: {name}: {error}; mend the storage and resume", EXIT_DEFECT)
        what = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({type(error).__name__}: {error})"
        said = " ".join(f"{self.path}: {name} {what}".split())
        return UserError(f"{said}; remove it and run `humove latents` again", EXIT_DEFECT)


def open_latents(
    path: str,
    source: Dataset | MotionOnlyDataset,
    config: LoaderConfig,
    *,
    encoders: MeantIds = _ANY,
    all_splits: bool = False,
) -> Latents:
    """The side shards at a path or an address, for a loader of these settings.

    UserError, one line, where a side shard is missing or stale: its shard has changed, or other `encoders`, buckets or
    another seed are meant.
    """
    store = open_store(path)
    rows = source.shards(None if all_splits else config.split)
    found: list[SideShard] = []
    wrong: dict[str, str] = {}
    for row in rows:
        side = read_side_shard(store, row.name)
        first = (found[0] if found else side).made_from if side else None
        if first is None:
            wrong[row.name] = "missing"
            continue
        meant = first.settings.model_copy(update={"buckets": config.buckets, "seed": config.seed})
        wanted = MadeFrom(
            shard=row.name, shard_sha256=row.sha256, encoders=encoders.or_else(first.encoders), settings=meant
        )
        if reason := staleness(side, wanted):
            wrong[row.name] = reason
        else:
            found.append(side)
    if wrong:
        name, reason = next(iter(wrong.items()))
        raise UserError(
            f"{path}: the latents of {len(wrong)} of {len(rows)} shards are missing or stale ({name}: {reason}); run "
            f"`humove latents {source.path}` with the training's settings"
        )
    if not found:
        raise UserError(f"{source.path} has no split {config.split!r}")
    return Latents(str(path), store, found)

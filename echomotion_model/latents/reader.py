"""Reading of latents and caption embeddings by a sample's key."""

import zipfile
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from echomotion_model.data.config import LoaderConfig
from echomotion_model.latents.arrays import decode_tensor
from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.plan import explain_staleness, read_latents_shard
from echomotion_model.latents.protocol import ExpectedEncoders
from echomotion_model.latents.schemas import LatentsOrigin, LatentsShard, get_null_text_name
from humove.errors import EXIT_DEFECT, UserError
from humove.storage import Store, open_store
from shards.motion_only.dataset import MotionOnlyDataset
from shards.reader import Dataset

_ANY = ExpectedEncoders()
_DAMAGE = (zipfile.BadZipFile, OSError, EOFError, ValueError, KeyError)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LatentWindow:
    """An encoded time window of a clip. C channels, F h w the latents' frames, height and width; T frames."""

    latents_CFhw: torch.Tensor
    """In its stored dtype."""
    instants_T: np.ndarray
    """(T,) float64, in frames of the stored clip; motion is resampled at the same instants."""


class Latents:
    """The latents of one split of a data set, or of all. Memory: about 100 bytes per clip."""

    def __init__(self, path: str, store: Store, shards: Sequence[LatentsShard]) -> None:
        self.path, self._store = path, store
        self.made_from: LatentsOrigin = shards[0].made_from
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
        """The settings that the latents were encoded with."""
        return self.made_from.settings

    def __len__(self) -> int:
        return len(self._rows)

    def __contains__(self, key: str) -> bool:
        return key in self._rows

    def read_window(self, key: str, epoch: int) -> LatentWindow:
        """Read a clip's window of an epoch; epochs cycle through the stored windows. UserError if there is none."""
        shard, row, _ = self._find_row(key)
        if not len(self._windows):
            raise UserError(f"{self.path} holds no video latents: its data set has only motion")
        values, arrays = self._read_tensor(shard, self._windows[row, epoch % self.settings.windows], key)
        return LatentWindow(latents_CFhw=values, instants_T=arrays["instants"])

    def count_texts(self, key: str) -> int:
        """Count a sample's captions."""
        return self._text_ends[key] - self._find_row(key)[2]

    def read_text(self, key: str, number: int = 0) -> torch.Tensor:
        """Read tokens_LD of a caption, without padding; of "" if the sample has none. UserError if it is missing."""
        shard, _, first = self._find_row(key)
        if not self.count_texts(key):
            return self.read_null_text()
        return self._read_tensor(shard, self._texts[first + number % self.count_texts(key)], key)[0]

    def read_null_text(self) -> torch.Tensor:
        """Read tokens_LD of "", which replaces dropped captions."""
        name = get_null_text_name(self.made_from.encoders.text.hash, self.settings.dtype)
        try:
            return decode_tensor(self._store.read(name))[0]
        except _DAMAGE as error:
            raise self._make_error(name, error) from error

    def _find_row(self, key: str) -> tuple[int, int, int]:
        if key not in self._rows:
            raise UserError(f"{self.path} holds no latents of {key}; run `humove latents` with the training's buckets")
        return self._rows[key]

    def _read_tensor(self, shard: int, byte_range: np.ndarray, key: str) -> tuple[torch.Tensor, dict[str, np.ndarray]]:
        offset, size = map(int, byte_range)
        try:
            return decode_tensor(self._store.read_range(self._shards[shard], offset, offset + size))
        except _DAMAGE as error:
            raise self._make_error(f"{self._shards[shard]} at {key}", error) from error

    def _make_error(self, name: str, error: Exception) -> UserError:
        if isinstance(error, ConnectionError):
            return UserError(f"{self.path}: {name}: {error}; fix the storage and resume", EXIT_DEFECT)
        what = "is missing" if isinstance(error, FileNotFoundError) else f"is damaged ({type(error).__name__}: {error})"
        message = " ".join(f"{self.path}: {name} {what}".split())
        return UserError(f"{message}; remove it and run `humove latents` again", EXIT_DEFECT)


def open_latents(
    path: str,
    source: Dataset | MotionOnlyDataset,
    config: LoaderConfig,
    *,
    encoders: ExpectedEncoders = _ANY,
    all_splits: bool = False,
) -> Latents:
    """Open the latents at a path or URL for a loader of these settings.

    UserError, one line, if some are missing or stale: the shard has changed, or `encoders`, buckets or seed differ.
    """
    store = open_store(path)
    rows = source.list_shards(None if all_splits else config.split)
    found: list[LatentsShard] = []
    unusable: dict[str, str] = {}
    for row in rows:
        side = read_latents_shard(store, row.name)
        first = (found[0] if found else side).made_from if side else None
        if first is None:
            unusable[row.name] = "missing"
            continue
        expected = first.settings.model_copy(update={"buckets": config.buckets, "seed": config.seed})
        wanted = LatentsOrigin(
            shard=row.name, shard_sha256=row.sha256, encoders=encoders.fill_unknown(first.encoders), settings=expected
        )
        if reason := explain_staleness(side, wanted):
            unusable[row.name] = reason
        else:
            found.append(side)
    if unusable:
        name, reason = next(iter(unusable.items()))
        raise UserError(
            f"{path}: the latents of {len(unusable)} of {len(rows)} shards are missing or stale ({name}: {reason}); "
            f"run `humove latents {source.path}` with the training's settings"
        )
    if not found:
        raise UserError(f"{source.path} has no split {config.split!r}")
    return Latents(str(path), store, found)

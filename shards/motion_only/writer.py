"""Write a motion-only set with one sample in memory at a time; the set exists once its document is written."""

import json
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import pyarrow as pa

from humove import __version__
from humove.storage.atomic import write_text
from shards.format import INDEX_FILE, OUTCOMES_FILE, SHARDS_FOLDER, format_shard_name
from shards.index import TableWriter
from shards.motion_only.schemas import MOTION_FILE, MotionOnlyDoc, MotionOnlySample
from shards.schemas import ShardRow
from shards.tars import BLOCK, TarWriter

_INDEX = pa.schema(
    [
        ("key", pa.string()),
        ("split", pa.string()),
        ("shard", pa.string()),
        ("offset", pa.int64()),
        ("source", pa.string()),
        ("caption", pa.string()),
        ("num_frames", pa.int64()),
        ("fps", pa.float64()),
        ("duration_s", pa.float64()),
        ("source_frame", pa.string()),
        ("shape_source", pa.string()),
    ]
)
_OUTCOMES = pa.schema([(name, pa.string()) for name in ("source", "outcome", "reason", "detail")])


class MotionOnlyWriter:
    """A writer of a motion-only set in a folder. Without `commit` the folder has no set.

    Samples must arrive in key order, each once; the shards of splits are filled independently.
    """

    def __init__(self, folder: Path, *, max_bytes: int = 1 << 30, max_samples: int = 10_000) -> None:
        self._folder, self._max_bytes, self._max_samples = folder, max_bytes, max_samples
        self._files = ExitStack()
        self._open: dict[str, _OpenShard] = {}
        self._numbers: dict[str, int] = {}
        self._shards: list[ShardRow] = []
        self._last_key = ""
        self._kept, self._seconds = 0, 0.0
        self.num_samples = 0
        self._left_out: Counter[str] = Counter()

    def __enter__(self) -> Self:
        self._index = self._files.enter_context(TableWriter(self._folder / INDEX_FILE, _INDEX))
        self._outcomes = self._files.enter_context(TableWriter(self._folder / OUTCOMES_FILE, _OUTCOMES))
        return self

    def __exit__(self, *error: Any) -> None:
        for shard in self._open.values():
            shard.tar.__exit__(*error)
        self._open = {}
        self._files.__exit__(*error)

    def write(self, sample: MotionOnlySample) -> None:
        """Add a sample."""
        meta = sample.meta
        if meta.key <= self._last_key:
            raise ValueError(f"{meta.key} after {self._last_key}: samples must arrive in key order, each once")
        members = sample.encode_members()
        size = sum(BLOCK + len(raw) + -len(raw) % BLOCK for _, raw in members)
        shard = self._get_open_shard(meta.split, size)
        offsets = [shard.tar.add(f"{meta.key}.{suffix}", raw) for suffix, raw in members]
        shard.samples += 1
        self._last_key = meta.key
        self.num_samples += 1
        seconds = meta.num_frames / meta.rate
        self._seconds += seconds
        self._index.append(
            {
                "key": meta.key,
                "split": meta.split,
                "shard": shard.tar.path.name,
                "offset": offsets[0],
                "source": meta.source.file,
                "caption": sample.caption,
                "num_frames": meta.num_frames,
                "fps": meta.rate,
                "duration_s": seconds,
                "source_frame": meta.source.frame,
                "shape_source": meta.body_model.shape_source,
            }
        )

    def add_kept(self, source: str) -> None:
        """Record an input that gave one or more samples."""
        self._kept += 1
        self._outcomes.append({"source": source, "outcome": "kept", "reason": "", "detail": ""})

    def add_left_out(self, source: str, reason: str, detail: str) -> None:
        """Record an input that gave no samples, with the reason."""
        self._left_out[reason] += 1
        self._outcomes.append({"source": source, "outcome": "left_out", "reason": reason, "detail": detail})

    def commit(self, kind: str, settings: Mapping[str, Any]) -> MotionOnlyDoc:
        """Close all files and write the document that makes the folder a data set."""
        for split in sorted(self._open):
            self._close_shard(split)
        self._files.close()
        doc = MotionOnlyDoc(
            tool_version=__version__,
            kind=kind,
            settings=dict(settings),
            shards=tuple(sorted(self._shards, key=lambda row: row.name)),
            inputs=self._kept + self._left_out.total(),
            kept=self._kept,
            left_out=dict(sorted(self._left_out.items())),
            seconds=round(self._seconds, 3),
        )
        text = json.dumps(doc.model_dump(mode="json"), ensure_ascii=False, indent=1, allow_nan=False)
        write_text(self._folder / MOTION_FILE, text + "\n")
        return doc

    def _get_open_shard(self, split: str, size: int) -> "_OpenShard":
        shard = self._open.get(split)
        if shard and (shard.samples >= self._max_samples or shard.tar.position + size > self._max_bytes):
            self._close_shard(split)
        if split not in self._open:
            number = self._numbers.get(split, 0)
            tar = TarWriter(self._folder / SHARDS_FOLDER / format_shard_name(split, number))
            self._open[split] = _OpenShard(tar=tar.__enter__())
            self._numbers[split] = number + 1
        return self._open[split]

    def _close_shard(self, split: str) -> None:
        shard = self._open.pop(split)
        shard.tar.__exit__(None, None, None)
        done = shard.tar.written
        self._shards.append(
            ShardRow(
                name=shard.tar.path.name,
                split=split,
                num_samples=shard.samples,
                bytes=done.bytes,
                sha256=done.sha256,
            )
        )


@dataclass(slots=True, kw_only=True)
class _OpenShard:
    """A split's open shard."""

    tar: TarWriter
    samples: int = 0

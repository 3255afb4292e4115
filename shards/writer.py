"""Pack samples of one split into tars, with one sample in memory at a time; each shard appears atomically."""

from dataclasses import dataclass
from pathlib import Path
from typing import Self

from humove.types import Sample
from shards.format import MEMBERS, MEMBERS_WITH_WORLD, encode_sample, format_shard_name, parse_key
from shards.schemas import ShardRow
from shards.tars import TarWriter, measure_member


@dataclass(frozen=True, slots=True, kw_only=True)
class Placement:
    """A sample's place in `shards/{shard}`: `bytes` bytes from its first header at `offset` to the padded end of its
    last member, with `mp4_bytes` bytes of video at `mp4_offset`."""

    key: str
    split: str
    shard: str
    offset: int
    bytes: int
    mp4_offset: int
    mp4_bytes: int


class _OpenShard(TarWriter):
    """A shard that is being written."""

    def __init__(self, path: Path, split: str) -> None:
        super().__init__(path)
        self.name, self.split, self.num_samples = path.name, split, 0

    def commit(self) -> ShardRow:
        self.__exit__(None, None, None)
        return ShardRow(
            name=self.name,
            split=self.split,
            num_samples=self.num_samples,
            bytes=self.written.bytes,
            sha256=self.written.sha256,
        )


class ShardWriter:
    """A writer of the shards `{split}-{first_number}.tar` and following in `folder`, within the limits.

    As a context manager: on success the last shard is committed and `shards` lists all, on an error the open shard is
    removed (committed ones stay, as files that no dataset.json lists).
    """

    def __init__(
        self, folder: Path, split: str, *, first_number: int = 0, max_bytes: int = 1 << 30, max_samples: int = 10_000
    ) -> None:
        if max_bytes < 1 or max_samples < 1:
            raise ValueError(f"max_bytes {max_bytes} and max_samples {max_samples} must be at least 1")
        format_shard_name(split, first_number)
        self.shards: list[ShardRow] = []
        self._folder, self._split, self._next = folder, split, first_number
        self._max_bytes, self._max_samples = max_bytes, max_samples
        self._open: _OpenShard | None = None
        self._last_key = ""

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if error is None:
            self._commit_shard()
        elif self._open is not None:
            try:
                self._open.__exit__(kind, error, trace)
            finally:
                self._open = None

    def write(self, sample: Sample) -> Placement:
        """Add a sample; keys must be ascending."""
        if sample.split != self._split:
            raise ValueError(f"{sample.key} is of split {sample.split}, this writer's split is {self._split}")
        return self.write_members(sample.key, encode_sample(sample))

    def write_members(self, key: str, members: list[tuple[str, bytes]]) -> Placement:
        """Add a sample's encoded members, (suffix, bytes) in the format's order."""
        parse_key(key)
        if key <= self._last_key:
            raise ValueError(f"{key} after {self._last_key}: samples must arrive in key order, each once")
        if tuple(suffix for suffix, _ in members) not in (MEMBERS, MEMBERS_WITH_WORLD):
            raise ValueError(f"{key}: members {[suffix for suffix, _ in members]}, wanted {list(MEMBERS)}")
        size = sum(measure_member(len(raw)) for _, raw in members)
        shard = self._get_shard_for(size)
        offset = shard.position
        offsets = {suffix: shard.add(f"{key}.{suffix}", raw) for suffix, raw in members}
        shard.num_samples += 1
        self._last_key = key
        return Placement(
            key=key,
            split=self._split,
            shard=shard.name,
            offset=offset,
            bytes=size,
            mp4_offset=offsets["mp4"],
            mp4_bytes=len(members[0][1]),
        )

    def _get_shard_for(self, size: int) -> _OpenShard:
        shard = self._open
        if shard and (shard.num_samples >= self._max_samples or shard.position + size > self._max_bytes):
            self._commit_shard()
        if self._open is None:
            self._open = _OpenShard(self._folder / format_shard_name(self._split, self._next), self._split).__enter__()
            self._next += 1
        return self._open

    def _commit_shard(self) -> None:
        if self._open is not None:
            shard, self._open = self._open, None
            self.shards.append(shard.commit())

"""Names that follow from content: videos, clips, settings. The same content has the same name everywhere."""

import hashlib
import json
from pathlib import Path

_BLOCK = 1 << 20


def file_sha256(path: Path) -> str:
    """The sha256 of a file's bytes, 64 hex digits, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as f:
        while block := f.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def bytes_sha256(raw: bytes) -> str:
    """The sha256 of bytes in memory, 64 hex digits."""
    return hashlib.sha256(raw).hexdigest()


def video_id_of(path: Path) -> str:
    """The first 16 hex digits of the sha256 of the file: the id of a video, whatever its name."""
    return file_sha256(path)[:16]


def clip_id_of(video_id: str, shot_index: int, clip_index: int, person: int = 0) -> str:
    """A clip's id, which is also its sample's key. It holds no dot: WebDataset splits a name at the first one."""
    return f"{video_id}-s{shot_index:04d}-c{clip_index:04d}-p{person:02d}"


def settings_hash(settings: object) -> str:
    """16 hex digits that name a JSON value: equal settings, equal name, whatever the order of their keys."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def unit_interval(text: str) -> float:
    """A number in [0, 1) that follows from the text alone: shares that stay stable when others join."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64

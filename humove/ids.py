"""Content hashes and the ids derived from them: videos, clips, settings. Equal content has equal ids."""

import hashlib
import json
from pathlib import Path

_BLOCK = 1 << 20


def hash_file(path: Path) -> str:
    """Return the sha256 of a file's bytes, 64 hex digits, read in blocks."""
    digest = hashlib.sha256()
    with path.open("rb") as f:
        while block := f.read(_BLOCK):
            digest.update(block)
    return digest.hexdigest()


def hash_bytes(raw: bytes) -> str:
    """Return the sha256 of bytes in memory, 64 hex digits."""
    return hashlib.sha256(raw).hexdigest()


def compute_video_id(path: Path) -> str:
    """Return a video's id: the first 16 hex digits of the sha256 of its file, whatever the file's name."""
    return hash_file(path)[:16]


def format_clip_id(video_id: str, shot_index: int, clip_index: int, person: int = 0) -> str:
    """Return a clip's id, also its sample's key. It has no dot: WebDataset splits a name at the first one."""
    return f"{video_id}-s{shot_index:04d}-c{clip_index:04d}-p{person:02d}"


def hash_settings(settings: object) -> str:
    """Hash a JSON value to 16 hex digits, independent of the order of its keys."""
    text = json.dumps(settings, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def hash_to_unit_interval(text: str) -> float:
    """Hash text to a number in [0, 1), so that a split by it stays stable when other items are added."""
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") / 2**64

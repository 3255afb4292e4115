"""Names, order and encodings of the data set on disk, schema version 1. Everything else here follows this page.

A sample is five members side by side in one tar, `{key}.mp4` first, and a sixth, `{key}.world.npz`, where the camera's
path is known. Bytes are a function of content alone: no clock,
no user, no compression library.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from humove.types import Sample
from shards.npz import motion_bytes, pose2d_bytes, world_bytes

SCHEMA_VERSION = 1
DATASET_FILE = "dataset.json"
CARD_FILE = "README.md"
INDEX_FILE = "index.parquet"
OUTCOMES_FILE = "outcomes.parquet"
SHARDS_FOLDER = "shards"
TABLES_FOLDER = "tables"
"""Parts of the tables, a few a batch, as dataset.json lists them; the Parquet files at the root hold the same rows."""
REPORT_FOLDER = "report"
LEDGER_FOLDER = "ledger"
LATENTS_FOLDER = "latents"
ANNOTATIONS_FOLDER = "annotations"
"""What `humove annotate` added: side shards with the same keys, a folder an annotation."""
MARKS_FILE, SELECTIONS_FOLDER = "marks.jsonl", "selections"
"""What people said of clips, and the thresholds that they saved, in the explorer."""
ROOT_NAMES = frozenset(
    (DATASET_FILE, CARD_FILE, INDEX_FILE, OUTCOMES_FILE, SHARDS_FOLDER, TABLES_FOLDER, REPORT_FOLDER, LEDGER_FOLDER,
     LATENTS_FOLDER, ANNOTATIONS_FOLDER, MARKS_FILE, SELECTIONS_FOLDER, ".lock")
)  # fmt: skip
"""All that has its place in a data set's folder."""

SPLITS = ("train", "val", "test")
MEMBERS = ("mp4", "motion.npz", "pose2d.npz", "txt", "json")
"""Suffixes of the members that every sample has, in the order in which they stand in the tar; the last one ends it."""
WORLD_MEMBER = "world.npz"
"""The member of samples whose camera's path is known; it stands before the pose2d.npz."""
MEMBERS_WITH_WORLD = (*MEMBERS[:2], WORLD_MEMBER, *MEMBERS[2:])

KEY = re.compile(r"(?P<video_id>[A-Za-z0-9_-]+)-s(?P<shot>\d{4,})-c(?P<clip>\d{4,})-p(?P<person>\d{2,})")
SHARD_NAME = re.compile(r"(?P<split>[a-z][a-z0-9_]*)-(?P<number>\d{6})\.tar")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyParts:
    """What a sample's key says."""

    video_id: str
    shot: int
    clip: int
    person: int


def parse_key(key: str) -> KeyParts:
    """The parts of a key; ValueError when it is none."""
    match = KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"{key!r} is no sample key; a key reads VIDEO-s0000-c0000-p00, with no dots or slashes")
    return KeyParts(
        video_id=match["video_id"], shot=int(match["shot"]), clip=int(match["clip"]), person=int(match["person"])
    )


def shard_name(split: str, number: int) -> str:
    """The file name of a shard in the shards folder."""
    name = f"{split}-{number:06d}.tar"
    parse_shard_name(name)
    return name


def parse_shard_name(name: str) -> tuple[str, int]:
    """(split, number) of a shard's file name; ValueError when it is none, so no name can lead out of the folder."""
    match = SHARD_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is no shard name; a shard reads SPLIT-000000.tar")
    return match["split"], int(match["number"])


def meta_json(meta: dict[str, Any]) -> bytes:
    """JSON with sorted keys and a fixed layout, in UTF-8. ValueError for NaN and infinities, which JSON has not."""
    text = json.dumps(meta, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False)
    return (text + "\n").encode()


def sample_members(sample: Sample) -> list[tuple[str, bytes]]:
    """The sample's (suffix, bytes), in the order of MEMBERS, or of MEMBERS_WITH_WORLD."""
    return [
        ("mp4", sample.mp4),
        ("motion.npz", motion_bytes(sample.motion)),
        *([(WORLD_MEMBER, world_bytes(sample.world))] if sample.world is not None else []),
        ("pose2d.npz", pose2d_bytes(sample.pose2d)),
        ("txt", sample.meta["captions"]["full"].encode()),
        ("json", meta_json(sample.meta)),
    ]


_TRANSITIONS = "fades and dissolves:"


def transitions_detail(spans: list[tuple[int, int]]) -> str:
    """How a video's row in the outcomes names the frames that belong to no shot: half-open spans."""
    return " ".join([_TRANSITIONS, *(f"{start}-{end}" for start, end in spans)]) if spans else f"{_TRANSITIONS} none"


def parse_transitions(detail: str) -> list[tuple[int, int]] | None:
    """The spans of `transitions_detail`; None where the detail does not speak of them."""
    _, found, said = detail.partition(_TRANSITIONS)
    if not found:
        return None
    return [(int(a), int(b)) for a, b in re.findall(r"(\d+)-(\d+)", said)]

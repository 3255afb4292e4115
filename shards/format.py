"""Names, order and encodings of the data set on disk, schema version 1.

A sample is five adjacent members of one tar, `{key}.mp4` first, and a sixth, `{key}.world.npz`, if the camera's path is
known. Bytes depend on the content only, not on the clock, the user or a compression library.
"""

import json
import re
from dataclasses import dataclass
from typing import Any

from humove.types import Sample
from shards.npz import encode_motion_npz, encode_pose2d_npz, encode_world_npz

SCHEMA_VERSION = 1
DATASET_FILE = "dataset.json"
CARD_FILE = "README.md"
INDEX_FILE = "index.parquet"
OUTCOMES_FILE = "outcomes.parquet"
SHARDS_FOLDER = "shards"
TABLES_FOLDER = "tables"
"""Parts of the tables, as dataset.json lists them; the Parquet files at the root hold the same rows."""
REPORT_FOLDER = "report"
LEDGER_FOLDER = "ledger"
LATENTS_FOLDER = "latents"
ANNOTATIONS_FOLDER = "annotations"
"""Annotations from `humove annotate`: shards with the same keys, one folder per annotation."""
LABELS_FILE, SELECTIONS_FOLDER = "labels.jsonl", "selections"
"""Labels of clips, and saved thresholds, from the explorer."""
FORMER_LABELS_FILE = "marks.jsonl"
"""The former name of LABELS_FILE, which is read in this version only."""
ROOT_NAMES = frozenset(
    (DATASET_FILE, CARD_FILE, INDEX_FILE, OUTCOMES_FILE, SHARDS_FOLDER, TABLES_FOLDER, REPORT_FOLDER, LEDGER_FOLDER,
     LATENTS_FOLDER, ANNOTATIONS_FOLDER, LABELS_FILE, FORMER_LABELS_FILE, SELECTIONS_FOLDER, ".lock")
)  # fmt: skip
"""All file and folder names that belong in a data set's folder."""

SPLITS = ("train", "val", "test")
MEMBERS = ("mp4", "motion.npz", "pose2d.npz", "txt", "json")
"""Suffixes of the members that every sample has, in their order in the tar; the last one ends the sample."""
WORLD_MEMBER = "world.npz"
"""The member of samples whose camera path is known; it precedes pose2d.npz."""
MEMBERS_WITH_WORLD = (*MEMBERS[:2], WORLD_MEMBER, *MEMBERS[2:])

KEY = re.compile(r"(?P<video_id>[A-Za-z0-9_-]+)-s(?P<shot>\d{4,})-c(?P<clip>\d{4,})-p(?P<person>\d{2,})")
SHARD_NAME = re.compile(r"(?P<split>[a-z][a-z0-9_]*)-(?P<number>\d{6})\.tar")


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyParts:
    """The parts of a sample's key."""

    video_id: str
    shot: int
    clip: int
    person: int


def parse_key(key: str) -> KeyParts:
    """Parse a sample's key. ValueError if it is not valid."""
    match = KEY.fullmatch(key)
    if match is None:
        raise ValueError(f"{key!r} is not a sample key; the form is VIDEO-s0000-c0000-p00, without dots or slashes")
    return KeyParts(
        video_id=match["video_id"], shot=int(match["shot"]), clip=int(match["clip"]), person=int(match["person"])
    )


def format_shard_name(split: str, number: int) -> str:
    """Format a shard's file name in the shards folder."""
    name = f"{split}-{number:06d}.tar"
    parse_shard_name(name)
    return name


def parse_shard_name(name: str) -> tuple[str, int]:
    """Parse (split, number) from a shard's file name. ValueError if it is invalid, such as one outside the folder."""
    match = SHARD_NAME.fullmatch(name)
    if match is None:
        raise ValueError(f"{name!r} is not a shard name; the form is SPLIT-000000.tar")
    return match["split"], int(match["number"])


def encode_meta(meta: dict[str, Any]) -> bytes:
    """Encode JSON with sorted keys and a fixed layout, in UTF-8. ValueError for NaN and infinities."""
    text = json.dumps(meta, sort_keys=True, ensure_ascii=False, indent=1, allow_nan=False)
    return (text + "\n").encode()


def encode_sample(sample: Sample) -> list[tuple[str, bytes]]:
    """Encode a sample as (suffix, bytes), in the order of MEMBERS or MEMBERS_WITH_WORLD."""
    return [
        ("mp4", sample.mp4),
        ("motion.npz", encode_motion_npz(sample.motion)),
        *([(WORLD_MEMBER, encode_world_npz(sample.world))] if sample.world is not None else []),
        ("pose2d.npz", encode_pose2d_npz(sample.pose2d)),
        ("txt", sample.meta["captions"]["full"].encode()),
        ("json", encode_meta(sample.meta)),
    ]


_TRANSITIONS = "fades and dissolves:"


def format_transitions(spans: list[tuple[int, int]]) -> str:
    """Format the half-open spans of frames in no shot for the detail of a video's outcome."""
    return " ".join([_TRANSITIONS, *(f"{start}-{end}" for start, end in spans)]) if spans else f"{_TRANSITIONS} none"


def parse_transitions(detail: str) -> list[tuple[int, int]] | None:
    """Parse the spans that `format_transitions` wrote; None if the detail has none."""
    _, found, spans = detail.partition(_TRANSITIONS)
    if not found:
        return None
    return [(int(a), int(b)) for a, b in re.findall(r"(\d+)-(\d+)", spans)]

"""Annotations added to an existing data set: annotation shards with the same sample keys.

    OUT/annotations/NAME/annotation.json      the commit: model, settings, and the shards with their sha256
    OUT/annotations/NAME/train-000000.tar     the annotations of OUT/shards/train-000000.tar

Each sample has a member `KEY.KIND.json` (`facts`, `scores`, and `reject`, which is null if there is an annotation) and,
if the annotation has arrays, `KEY.KIND.npz`. The files of the set itself are not changed.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Annotated, Any, Literal

import numpy as np
from pydantic import Field, PositiveInt, ValidationError

from humove.config.strict import Strict
from humove.errors import UserError
from humove.types import Sample
from shards.checks.defect import Defect, Findings
from shards.format import ANNOTATIONS_FOLDER, SHARDS_FOLDER, encode_meta
from shards.npz import decode_npz, encode_npz
from shards.reader import Dataset, decode_sample, read_members
from shards.schemas import AnnotatorRecord, Count, Sha256, ShardName, Text

DOC_FILE = "annotation.json"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_AGAIN = "run humove annotate again"


class AnnotationShard(Strict):
    """One tar of an annotation."""

    name: ShardName
    source_sha256: Sha256 = Field(description="sha256 of the data set's shard that was annotated")
    num_samples: PositiveInt
    num_rejected: Count
    bytes: PositiveInt
    sha256: Sha256


class AnnotationDoc(Strict):
    """annotation.json, the commit: a shard that it does not list is not part of the annotation."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]
    kind: Text
    tool_version: Text
    annotator: AnnotatorRecord
    settings: dict[str, Any]
    settings_hash: Text
    shards: tuple[AnnotationShard, ...]

    def to_text(self) -> str:
        """Return the file's text, which depends on the document only."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AnnotationRow:
    """The annotation of one sample; `reject` is the reason if there is none."""

    key: str
    facts: dict[str, Any]
    scores: dict[str, float]
    reject: dict[str, Any] | None
    arrays: dict[str, np.ndarray]


def encode_annotation_row(kind: str, row: AnnotationRow) -> list[tuple[str, bytes]]:
    """Encode one sample's members as (suffix, bytes)."""
    document = {"facts": row.facts, "scores": row.scores, "reject": row.reject}
    members = [(f"{kind}.json", encode_meta(document))]
    return members + ([(f"{kind}.npz", encode_npz(row.arrays))] if row.arrays else [])


def list_annotations(dataset: Dataset) -> list[str]:
    """List the names of a data set's annotations."""
    found = dataset.list_names(ANNOTATIONS_FOLDER)
    return sorted(n for n in found if NAME.fullmatch(n) and dataset.exists(f"{ANNOTATIONS_FOLDER}/{n}/{DOC_FILE}"))


def read_annotation_doc(dataset: Dataset, name: str) -> AnnotationDoc:
    """Read an annotation's document. UserError if there is no annotation of that name, or it is damaged."""
    if name not in list_annotations(dataset):
        known = ", ".join(list_annotations(dataset)) or "none"
        raise UserError(f"{dataset.path}: no annotation {name!r}; there are: {known}")
    try:
        return AnnotationDoc.model_validate_json(dataset.store.read(f"{ANNOTATIONS_FOLDER}/{name}/{DOC_FILE}"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        where = f"{dataset.path}/{ANNOTATIONS_FOLDER}/{name}"
        raise UserError(f"{where}/{DOC_FILE}: {place}: {first['msg']}; remove {where} and {_AGAIN}") from error


def read_annotation(dataset: Dataset, name: str) -> Iterator[AnnotationRow]:
    """Read an annotation row by row, in shard and key order; one row in memory at a time."""
    doc = read_annotation_doc(dataset, name)
    for shard in doc.shards:
        with dataset.stream(f"{ANNOTATIONS_FOLDER}/{name}/{shard.name}") as raw:
            yield from _read_rows(raw, doc.kind)


def read_annotated_samples(dataset: Dataset, name: str) -> Iterator[tuple[Sample, AnnotationRow]]:
    """Read every annotated sample with its annotation, from both tars in parallel."""
    doc = read_annotation_doc(dataset, name)
    splits = {row.name: row.split for row in dataset.doc.shards}
    for shard in doc.shards:
        if shard.name not in splits:
            continue
        folder = f"{ANNOTATIONS_FOLDER}/{name}"
        with dataset.stream(f"{SHARDS_FOLDER}/{shard.name}") as own, dataset.stream(f"{folder}/{shard.name}") as side:
            for (key, members), row in zip(read_members(own), _read_rows(side, doc.kind), strict=True):
                if key != row.key:
                    raise UserError(f"{dataset.path}/{folder}/{shard.name}: has {row.key} in place of {key}; {_AGAIN}")
                yield decode_sample(key, splits[shard.name], members), row


def _read_rows(raw: IO[bytes], kind: str) -> Iterator[AnnotationRow]:
    for key, members in read_members(raw):
        document = json.loads(members[f"{kind}.json"])
        arrays = decode_npz(members[f"{kind}.npz"]) if f"{kind}.npz" in members else {}
        yield AnnotationRow(key=key, arrays=arrays, **document)


def check_annotations(dataset: Dataset, on_note: Callable[[str], None] | None = None) -> list[Defect]:
    """Find the defects of a data set's annotations. An annotation of older shards, or of some shards only, is sound but
    stale: that is a note."""
    found: list[Defect] = []
    shards = {row.name: row for row in dataset.doc.shards}
    for name in list_annotations(dataset):
        findings = Findings(f"{ANNOTATIONS_FOLDER}/{name}")
        found_before = len(found)
        try:
            doc = read_annotation_doc(dataset, name)
        except UserError as error:
            findings.add(str(error), f"remove it and {_AGAIN}")
            found.extend(findings)
            continue
        fresh = 0
        for shard in doc.shards:
            row = shards.get(shard.name)
            current = row is not None and row.sha256 == shard.source_sha256
            fresh += current
            _check_shard(dataset, doc, shard, findings, current)
        found.extend(findings)
        stale = len(shards) - fresh
        if stale and on_note is not None and len(found) == found_before:
            on_note(f"{ANNOTATIONS_FOLDER}/{name}: {stale} of {len(shards)} shards have none or an older one: {_AGAIN}")
    return found


def _check_shard(dataset: Dataset, doc: AnnotationDoc, shard: AnnotationShard, found: Findings, current: bool) -> None:
    """Check that the tar is the committed one and, if its source is `current`, that both hold the same keys."""
    path = f"{ANNOTATIONS_FOLDER}/{doc.name}/{shard.name}"
    remedy = f"remove the folder and {_AGAIN}"
    if not found.expect(dataset.exists(path), f"{shard.name} is missing", remedy):
        return
    digest = hashlib.sha256()
    with dataset.stream(path) as raw:
        while chunk := raw.read(1 << 20):
            digest.update(chunk)
    if not found.expect(digest.hexdigest() == shard.sha256, f"{shard.name} is not the file that was written", remedy):
        return
    with dataset.stream(path) as raw:
        rows = [(row.key, row.reject is not None) for row in _read_rows(raw, doc.kind)]
    stated = (shard.num_samples, shard.num_rejected)
    held = (len(rows), sum(rejected for _, rejected in rows))
    found.expect(held == stated, f"{shard.name} lists {stated} samples and rejects, it holds {held}", remedy)
    if current:
        with dataset.stream(f"{SHARDS_FOLDER}/{shard.name}") as raw:
            keys = [key for key, _ in read_members(raw)]
        found.expect(keys == [key for key, _ in rows], f"{shard.name}'s keys differ from those of its source", remedy)

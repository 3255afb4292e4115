"""Annotations that were added to a data set afterwards: side shards with the same keys, beside the videos' own.

    OUT/annotations/NAME/annotation.json      the commit: which model, its settings, the shards with their sha256
    OUT/annotations/NAME/train-000000.tar     of OUT/shards/train-000000.tar, and of no other

Each sample has a member `KEY.KIND.json` (`facts`, `scores`, and `reject`, which is null where there is an annotation),
and, where the annotation is made of arrays, `KEY.KIND.npz`. Nothing of the set itself is touched.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import IO, Annotated, Any, Literal

import numpy as np
from pydantic import AfterValidator, Field, PositiveInt, ValidationError

from humove.config import Strict
from humove.errors import UserError
from humove.types import Sample
from shards.checks.defect import Defect, Findings
from shards.documents import AnnotatorRecord, Count, Sha256, Text
from shards.format import ANNOTATIONS_FOLDER, SHARDS_FOLDER, meta_json, parse_shard_name
from shards.npz import decode_npz, encode_npz
from shards.reader import Dataset, decode_sample, read_members

DOC_FILE = "annotation.json"
NAME = re.compile(r"[a-z0-9][a-z0-9_-]{0,63}")
_AGAIN = "run humove annotate again"


def _shard(value: str) -> str:
    parse_shard_name(value)
    return value


class SideShard(Strict):
    """One tar of an annotation."""

    name: Annotated[str, AfterValidator(_shard)]
    source_sha256: Sha256 = Field(description="of the data set's shard that it was made of")
    num_samples: PositiveInt
    num_rejected: Count
    bytes: PositiveInt
    sha256: Sha256


class AnnotationDoc(Strict):
    """annotation.json, the commit: what it does not list is no part of the annotation."""

    schema_version: Literal[1] = 1
    name: Annotated[str, Field(pattern=rf"^{NAME.pattern}$")]
    kind: Text
    tool_version: Text
    annotator: AnnotatorRecord
    settings: dict[str, Any]
    settings_hash: Text
    shards: tuple[SideShard, ...]

    def to_text(self) -> str:
        """The file's text: a function of the document alone."""
        return json.dumps(self.model_dump(mode="json"), ensure_ascii=False, indent=1, allow_nan=False) + "\n"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SideRow:
    """What was said of one sample; `reject` says why where nothing was."""

    key: str
    facts: dict[str, Any]
    scores: dict[str, float]
    reject: dict[str, Any] | None
    arrays: dict[str, np.ndarray]


def side_members(kind: str, row: SideRow) -> list[tuple[str, bytes]]:
    """(suffix, bytes) of one sample's members."""
    document = {"facts": row.facts, "scores": row.scores, "reject": row.reject}
    members = [(f"{kind}.json", meta_json(document))]
    return members + ([(f"{kind}.npz", encode_npz(row.arrays))] if row.arrays else [])


def annotation_names(dataset: Dataset) -> list[str]:
    """The annotations that lie beside a data set."""
    found = dataset.names(ANNOTATIONS_FOLDER)
    return sorted(n for n in found if NAME.fullmatch(n) and dataset.exists(f"{ANNOTATIONS_FOLDER}/{n}/{DOC_FILE}"))


def read_doc(dataset: Dataset, name: str) -> AnnotationDoc:
    """An annotation's document. UserError where there is none of that name, or a damaged one."""
    if name not in annotation_names(dataset):
        known = ", ".join(annotation_names(dataset)) or "none"
        raise UserError(f"{dataset.path}: no annotation {name!r}; there are: {known}")
    try:
        return AnnotationDoc.model_validate_json(dataset.store.read(f"{ANNOTATIONS_FOLDER}/{name}/{DOC_FILE}"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the document"
        where = f"{dataset.path}/{ANNOTATIONS_FOLDER}/{name}"
        raise UserError(f"{where}/{DOC_FILE}: {place}: {first['msg']}; remove {where} and {_AGAIN}") from error


def read_annotation(dataset: Dataset, name: str) -> Iterator[SideRow]:
    """What was said of each sample, in shard and key order; one in memory at a time."""
    doc = read_doc(dataset, name)
    for shard in doc.shards:
        with dataset.stream(f"{ANNOTATIONS_FOLDER}/{name}/{shard.name}") as raw:
            yield from _rows(raw, doc.kind)


def beside(dataset: Dataset, name: str) -> Iterator[tuple[Sample, SideRow]]:
    """Every annotated sample with what was said of it, read from both tars side by side."""
    doc = read_doc(dataset, name)
    splits = {row.name: row.split for row in dataset.doc.shards}
    for shard in doc.shards:
        if shard.name not in splits:
            continue
        folder = f"{ANNOTATIONS_FOLDER}/{name}"
        with dataset.stream(f"{SHARDS_FOLDER}/{shard.name}") as own, dataset.stream(f"{folder}/{shard.name}") as side:
            for (key, members), row in zip(read_members(own), _rows(side, doc.kind), strict=True):
                if key != row.key:
                    raise UserError(f"{dataset.path}/{folder}/{shard.name}: has {row.key} for {key}; {_AGAIN}")
                yield decode_sample(key, splits[shard.name], members), row


def _rows(raw: IO[bytes], kind: str) -> Iterator[SideRow]:
    for key, members in read_members(raw):
        said = json.loads(members[f"{kind}.json"])
        arrays = decode_npz(members[f"{kind}.npz"]) if f"{kind}.npz" in members else {}
        yield SideRow(key=key, arrays=arrays, **said)


def check_annotations(dataset: Dataset, on_note: Callable[[str], None] | None = None) -> list[Defect]:
    """What is broken in the annotations beside a data set. An annotation of shards as they were before, or of some of
    them only, is sound but stale: that is a note."""
    found: list[Defect] = []
    now = {row.name: row for row in dataset.doc.shards}
    for name in annotation_names(dataset):
        findings = Findings(f"{ANNOTATIONS_FOLDER}/{name}")
        found_before = len(found)
        try:
            doc = read_doc(dataset, name)
        except UserError as error:
            findings.add(str(error), f"remove it and {_AGAIN}")
            found.extend(findings)
            continue
        fresh = 0
        for shard in doc.shards:
            row = now.get(shard.name)
            current = row is not None and row.sha256 == shard.source_sha256
            fresh += current
            _check_shard(dataset, doc, shard, findings, against=current)
        found.extend(findings)
        stale = len(now) - fresh
        if stale and on_note is not None and len(found) == found_before:
            on_note(f"{ANNOTATIONS_FOLDER}/{name}: {stale} of {len(now)} shards have none or an older one: {_AGAIN}")
    return found


def _check_shard(dataset: Dataset, doc: AnnotationDoc, shard: SideShard, found: Findings, *, against: bool) -> None:
    """The tar is the one that was committed, and, `against` its source, has a row for each sample and no other."""
    path = f"{ANNOTATIONS_FOLDER}/{doc.name}/{shard.name}"
    mend = f"remove the folder and {_AGAIN}"
    if not found.expect(dataset.exists(path), f"{shard.name} is missing", mend):
        return
    digest = hashlib.sha256()
    with dataset.stream(path) as raw:
        while chunk := raw.read(1 << 20):
            digest.update(chunk)
    if not found.expect(digest.hexdigest() == shard.sha256, f"{shard.name} is not the file that was written", mend):
        return
    with dataset.stream(path) as raw:
        rows = [(row.key, row.reject is not None) for row in _rows(raw, doc.kind)]
    said = (shard.num_samples, shard.num_rejected)
    held = (len(rows), sum(rejected for _, rejected in rows))
    found.expect(held == said, f"{shard.name} counts {said} samples and rejects, it holds {held}", mend)
    if against:
        with dataset.stream(f"{SHARDS_FOLDER}/{shard.name}") as raw:
            keys = [key for key, _ in read_members(raw)]
        found.expect(keys == [key for key, _ in rows], f"{shard.name}'s keys are not those of its source", mend)

"""Sample counts for the data card, added up part by part, so that the card of a large set is written quickly.

A part of the index has the counts of its samples in its metadata. For parts without them (older builds), the samples'
documents are counted.
"""

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc

from shards.reader import Dataset
from shards.tables import list_table_files, open_table

NOT_STATED = "not stated"
METADATA_KEY = "humove.card"
"""Key of the counts in an index part's metadata."""
_COUNTED = ("licences", "bodies", "sources")


@dataclass(slots=True, kw_only=True)
class CardTally:
    """Counts over samples, from the index by split and from their documents."""

    samples: Counter[str] = field(default_factory=Counter)
    frames: Counter[str] = field(default_factory=Counter)
    seconds: Counter[str] = field(default_factory=Counter)
    categories: Counter[str] = field(default_factory=Counter)
    licences: Counter[str] = field(default_factory=Counter)
    consent: int = 0
    bodies: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """By name, licence and shape source."""
    sources: Counter[str] = field(default_factory=Counter)
    """Of the captions."""

    def add_document(self, meta: Mapping[str, Any]) -> None:
        """Count a sample's .json."""
        self.licences[meta["rights"]["licence"] or NOT_STATED] += 1
        self.consent += bool(meta["rights"]["consent"])
        body = meta["body_model"]
        self.bodies[body["name"], body["licence"], body["shape_source"]] += 1
        self.sources[meta["captions"]["source"]] += 1

    def add_rows(self, rows: pa.Table) -> None:
        """Count rows of the index; columns split, num_frames, duration_s, category."""
        counted = rows.group_by("split", use_threads=False).aggregate(
            [([], "count_all"), ("num_frames", "sum"), ("duration_s", "sum")]
        )
        for row in counted.to_pylist():
            self.samples[row["split"]] += row["count_all"]
            self.frames[row["split"]] += row["num_frames_sum"]
            self.seconds[row["split"]] += row["duration_s_sum"]
        for row in pc.value_counts(rows["category"]).to_pylist():
            self.categories[row["values"] or NOT_STATED] += row["counts"]

    def to_metadata(self) -> dict[str, str]:
        """Return the documents' counts as metadata for the index part of these samples."""
        counts: dict[str, Any] = {"consent": self.consent}
        for name in _COUNTED:
            counted = getattr(self, name).items()
            counts[name] = sorted([list(key) if isinstance(key, tuple) else [key], number] for key, number in counted)
        return {METADATA_KEY: json.dumps(counts, ensure_ascii=False)}

    @classmethod
    def from_metadata(cls, metadata: Mapping[bytes, bytes]) -> Self | None:
        """Parse the counts in a part's metadata; None if there are none."""
        if METADATA_KEY.encode() not in metadata:
            return None
        found = json.loads(metadata[METADATA_KEY.encode()])
        tally = cls(consent=found["consent"])
        for name in _COUNTED:
            for key, number in found[name]:
                getattr(tally, name)[tuple(key) if len(key) > 1 else key[0]] += number
        return tally

    def merge_documents(self, other: Self) -> None:
        """Add the documents' counts of other samples."""
        self.consent += other.consent
        for name in _COUNTED:
            getattr(self, name).update(getattr(other, name))


def read_tally(dataset: Dataset) -> CardTally:
    """Read the counts of a whole data set."""
    tally, uncounted = CardTally(), set()
    for file in list_table_files(dataset.doc, "index"):
        with open_table(dataset.store, file) as part:
            columns = ["split", "num_frames", "duration_s", "category", "shard"]
            rows, metadata = part.read(columns=columns, use_threads=False), part.metadata.metadata or {}
        tally.add_rows(rows)
        counted = CardTally.from_metadata(metadata)
        if counted is not None:
            tally.merge_documents(counted)
        else:
            uncounted.update(pc.unique(rows["shard"]).to_pylist())
    if uncounted:
        for meta in dataset.iterate_metas(uncounted):
            tally.add_document(meta)
    return tally


def count_reasons(dataset: Dataset) -> Counter[tuple[str, str]]:
    """Count the dropped inputs by stage and reason."""
    reasons: Counter[tuple[str, str]] = Counter()
    for file in list_table_files(dataset.doc, "outcomes"):
        with open_table(dataset.store, file) as part:
            rows = part.read(columns=["stage", "reason", "outcome"], use_threads=False)
        dropped = rows.filter(pc.is_in(rows["outcome"], pa.array(["rejected", "faulted"])))
        for row in dropped.group_by(["stage", "reason"], use_threads=False).aggregate([([], "count_all")]).to_pylist():
            reasons[row["stage"], row["reason"]] += row["count_all"]
    return reasons

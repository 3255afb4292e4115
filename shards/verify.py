"""Verify a data set against the format, from its files only: neither the ledger nor the build's counts are trusted."""

import io
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import yaml

from humove.storage import Store
from shards.annotations import check_annotations
from shards.checks.defect import REBUILD, Defect, Findings
from shards.checks.outcomes import OutcomesCheck
from shards.checks.tables import IndexCheck, check_tables
from shards.checks.tar import TarReport, check_tar
from shards.format import (
    CARD_FILE,
    DATASET_FILE,
    ROOT_NAMES,
    SHARDS_FOLDER,
    TABLES_FOLDER,
)
from shards.reader import STREAM_BYTES, Dataset, open_dataset
from shards.schemas import ShardRow
from shards.tables import list_table_files

_CARD_REMEDY = "remove it and build again to rewrite the card"
ProgressCallback = Callable[[int, int], None]


def verify(
    path: str,
    *,
    deep: bool = True,
    workers: int = 1,
    progress: ProgressCallback | None = None,
    on_note: Callable[[str], None] | None = None,
) -> list[Defect]:
    """Find the defects of the data set at `path`, a folder or an address; an empty list if it is sound.

    `deep` also decodes every video. `progress` is called with (samples done, total samples) after each shard, `on_note`
    for files that are not part of the set. UserError if there is no data set.
    """
    dataset = open_dataset(path)
    doc = dataset.doc
    document = Findings(DATASET_FILE)
    document.expect(doc.shards != (), "lists no shards: the set has no samples")
    names = [row.name for row in doc.shards]
    document.expect(len(set(names)) == len(names), "lists a shard twice")
    packed = [name for batch in doc.batches for name in batch.shards]
    document.expect(sorted(packed) == sorted(names), f"its batches hold the shards {packed}, it lists {names}")
    tables = check_tables(dataset, on_note)
    outcomes = OutcomesCheck()
    has_outcomes = _check_presence(dataset, "outcomes", outcomes.found) and outcomes.read(dataset)
    index = IndexCheck(dataset) if _check_presence(dataset, "index", document) else None
    found: list[Defect] = []
    total, done, counts = len(dataset), 0, dict.fromkeys(doc.splits, 0)
    rows = {row.name: row for row in doc.shards}
    for report in _check_shards(dataset, deep, workers):
        found.extend(report.found)
        row = rows[report.name]
        counts[row.split] = counts.get(row.split, 0) + len(report.keys)
        if index is not None:
            index.check_shard(report, row.split)
        if has_outcomes:
            outcomes.check_samples(report.spans)
        done += row.num_samples
        if progress is not None:
            progress(done, total)
    if index is not None:
        index.finish()
        for split, size in doc.splits.items():
            stated, held = (size.num_samples, size.num_videos), (counts[split], index.count_videos(split))
            document.expect(stated == held, f"split {split} lists {stated} samples and videos, the shards hold {held}")
    document.expect(
        counts.keys() == doc.splits.keys(), f"has no counts of the splits {sorted(counts.keys() - doc.splits.keys())}"
    )
    stated, actual = sum(batch.num_samples for batch in doc.batches), sum(counts.values())
    document.expect(stated == actual, f"its batches list {stated} samples, the shards hold {actual}")
    document.extend(_check_card(dataset))
    if has_outcomes:
        document.extend(outcomes.finish(doc))
    added = check_annotations(dataset, on_note)
    if on_note is not None:
        for note in list_unlisted_files(dataset):
            on_note(note)
    return [*document, *tables, *found, *(index.found if index is not None else ()), *outcomes.found, *added]


def list_unlisted_files(dataset: Dataset) -> Iterator[str]:
    """Describe files that dataset.json does not list, such as leftovers of a killed build."""
    listed = {row.name for row in dataset.doc.shards}
    parts = {row.name.rpartition("/")[2] for rows in dataset.doc.tables.values() for row in rows}
    for folder, belongs in (("", ROOT_NAMES), (SHARDS_FOLDER, listed), (TABLES_FOLDER, parts)):
        for name in sorted(dataset.list_names(folder) - belongs):
            yield f"{folder}/{name}".lstrip("/") + ": is not part of the set (dataset.json does not list it)"


def _check_presence(dataset: Dataset, table: str, found: Findings) -> bool:
    """Check that every file of a table exists."""
    missing = [file.name for file in list_table_files(dataset.doc, table) if not dataset.exists(file.name)]
    for name in missing:
        found.add(f"{name} is missing")
    return not missing


def _check_card(dataset: Dataset) -> Findings:
    """Check that the card's YAML, which the hub loads from, names the shards that dataset.json lists."""
    found = Findings(CARD_FILE)
    if not found.expect(dataset.exists(CARD_FILE), f"{CARD_FILE} is missing", REBUILD):
        return found
    _, _, rest = dataset.store.read(CARD_FILE).decode(errors="replace").partition("---\n")
    listed = {f"{SHARDS_FOLDER}/{row.name}" for row in dataset.doc.shards}
    try:
        files = [each["path"] for each in yaml.safe_load(rest.partition("\n---")[0])["configs"][0]["data_files"]]
        named = {str(name) for paths in files for name in ([paths] if isinstance(paths, str) else paths)}
    except (yaml.YAMLError, TypeError, LookupError) as error:
        found.add(f"its YAML names no data_files ({type(error).__name__})", _CARD_REMEDY)
        return found
    same = named == listed or any("*" in name for name in named)
    found.expect(same, "its data_files are not the shards that dataset.json lists", _CARD_REMEDY)
    return found


def _check_shards(dataset: Dataset, deep: bool, workers: int) -> Iterator[TarReport]:
    rows = list({row.name: row for row in dataset.doc.shards}.values())
    check = partial(check_shard, dataset.store, config_hash=dataset.doc.config_hash, deep=deep)
    if workers < 2 or len(rows) < 2:
        yield from map(check, rows)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(check, rows)


def check_shard(store: Store, row: ShardRow, *, config_hash: str, deep: bool) -> TarReport:
    """Check one shard of the data set in `store`; runs in any process."""
    name = f"{SHARDS_FOLDER}/{row.name}"
    report = TarReport(name=row.name, found=Findings(name))
    try:
        size = store.size(name)
    except FileNotFoundError:
        report.found.add("is missing, though dataset.json lists it")
        return report
    if (outside := _resolve_outside_link(store, name)) is not None:
        report.found.add(f"is a link to {outside}, outside the data set", "replace it with the file itself")
        return report
    with store.open(name, size) as raw:
        stream = raw if store.is_local else io.BufferedReader(raw, STREAM_BYTES)
        return check_tar(stream, row, config_hash=config_hash, deep=deep)


def _resolve_outside_link(store: Store, name: str) -> Path | None:
    """Return the target of a file of a local data set if it is outside the set, else None."""
    if not store.is_local:
        return None
    with suppress(OSError):
        root, target = Path(store.location).resolve(strict=True), store.path(name).resolve(strict=True)
        return None if target.is_relative_to(root) else target
    return None

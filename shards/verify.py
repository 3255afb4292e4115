"""Proves a data set against the format, from the files alone: no ledger, no trust in what the build has counted."""

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
from shards.documents import ShardRow
from shards.format import (
    CARD_FILE,
    DATASET_FILE,
    ROOT_NAMES,
    SHARDS_FOLDER,
    TABLES_FOLDER,
)
from shards.reader import STREAM_BYTES, Dataset, open_dataset
from shards.tables import list_table_files

_CARD_MEND = "remove it and build again: the card is written anew"
Progress = Callable[[int, int], None]


def verify(
    path: str,
    *,
    deep: bool = True,
    workers: int = 1,
    progress: Progress | None = None,
    on_note: Callable[[str], None] | None = None,
) -> list[Defect]:
    """Every way in which the data set at `path`, a folder or an address, breaks the format; empty when it is sound.

    `deep` decodes every video; without it all else is checked. `progress` hears (samples done, samples in all) after
    each shard, `on_note` hears of files that are no part of the set. Raises UserError when there is no data set.
    """
    dataset = open_dataset(path)
    doc = dataset.doc
    law = Findings(DATASET_FILE)
    law.expect(doc.shards != (), "lists no shards: the set holds no sample")
    names = [row.name for row in doc.shards]
    law.expect(len(set(names)) == len(names), "lists a shard twice")
    packed = [name for batch in doc.batches for name in batch.shards]
    law.expect(sorted(packed) == sorted(names), f"its batches hold the shards {packed}, it lists {names}")
    tables = check_tables(dataset, on_note)
    outcomes = OutcomesCheck()
    told = _are_there(dataset, "outcomes", outcomes.found) and outcomes.read(dataset)
    index = IndexCheck(dataset) if _are_there(dataset, "index", law) else None
    found: list[Defect] = []
    total, done, seen = len(dataset), 0, dict.fromkeys(doc.splits, 0)
    rows = {row.name: row for row in doc.shards}
    for report in _reports(dataset, list(rows.values()), doc.config_hash, deep, workers):
        found.extend(report.found)
        row = rows[report.name]
        seen[row.split] = seen.get(row.split, 0) + len(report.keys)
        if index is not None:
            index.shard(report, row.split)
        if told:
            outcomes.samples(report.spans)
        done += row.num_samples
        if progress is not None:
            progress(done, total)
    if index is not None:
        index.finish()
        for split, size in doc.splits.items():
            said, true = (size.num_samples, size.num_videos), (seen[split], index.videos(split))
            law.expect(said == true, f"split {split} counts {said} samples and videos, the shards hold {true}")
    law.expect(
        seen.keys() == doc.splits.keys(), f"has no counts of the splits {sorted(seen.keys() - doc.splits.keys())}"
    )
    counted = sum(batch.num_samples for batch in doc.batches)
    law.expect(
        counted == sum(seen.values()), f"its batches count {counted} samples, the shards hold {sum(seen.values())}"
    )
    law.extend(_check_card(dataset))
    if told:
        law.extend(outcomes.finish(doc))
    added = check_annotations(dataset, on_note)
    if on_note is not None:
        for note in leftovers(dataset):
            on_note(note)
    return [*law, *tables, *found, *(index.found if index is not None else ()), *outcomes.found, *added]


def leftovers(dataset: Dataset) -> Iterator[str]:
    """Files that dataset.json does not list: no part of the set, mostly what a killed build left behind."""
    listed = {row.name for row in dataset.doc.shards}
    parts = {row.name.rpartition("/")[2] for rows in dataset.doc.tables.values() for row in rows}
    for folder, belongs in (("", ROOT_NAMES), (SHARDS_FOLDER, listed), (TABLES_FOLDER, parts)):
        for name in sorted(dataset.names(folder) - belongs):
            yield f"{folder}/{name}".lstrip("/") + ": is no part of the set (dataset.json does not list it)"


def _are_there(dataset: Dataset, table: str, found: Findings) -> bool:
    """Whether every file of a table is there."""
    missing = [file.name for file in list_table_files(dataset.doc, table) if not dataset.exists(file.name)]
    for name in missing:
        found.add(f"{name} is missing")
    return not missing


def _check_card(dataset: Dataset) -> Findings:
    """The card's YAML is what the hub loads by: it must name the shards that dataset.json lists. Its text is free."""
    found = Findings(CARD_FILE)
    if not found.expect(dataset.exists(CARD_FILE), f"{CARD_FILE} is missing", REBUILD):
        return found
    _, _, rest = dataset.store.read(CARD_FILE).decode(errors="replace").partition("---\n")
    listed = {f"{SHARDS_FOLDER}/{row.name}" for row in dataset.doc.shards}
    try:
        files = [each["path"] for each in yaml.safe_load(rest.partition("\n---")[0])["configs"][0]["data_files"]]
        named = {str(name) for paths in files for name in ([paths] if isinstance(paths, str) else paths)}
    except (yaml.YAMLError, TypeError, LookupError) as error:
        found.add(f"its YAML names no data_files ({type(error).__name__})", _CARD_MEND)
        return found
    same = named == listed or any("*" in name for name in named)
    found.expect(same, "its data_files are not the shards that dataset.json lists", _CARD_MEND)
    return found


def _reports(dataset: Dataset, rows: list[ShardRow], config_hash: str, deep: bool, workers: int) -> Iterator[TarReport]:
    check = partial(check_shard, dataset.store, config_hash=config_hash, deep=deep)
    if workers < 2 or len(rows) < 2:
        yield from map(check, rows)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(check, rows)


def check_shard(store: Store, row: ShardRow, *, config_hash: str, deep: bool) -> TarReport:
    """Checks one shard of the data set in `store`; runs in any process."""
    name = f"{SHARDS_FOLDER}/{row.name}"
    report = TarReport(name=row.name, found=Findings(name))
    try:
        size = store.size(name)
    except FileNotFoundError:
        report.found.add("is missing, though dataset.json lists it")
        return report
    if (outside := _leads_outside(store, name)) is not None:
        report.found.add(f"is a link that leads out of the data set, to {outside}", "put the file itself there")
        return report
    with store.open(name, size) as raw:
        stream = raw if store.is_local else io.BufferedReader(raw, STREAM_BYTES)
        return check_tar(stream, row, config_hash=config_hash, deep=deep)


def _leads_outside(store: Store, name: str) -> Path | None:
    """Where a link in a local data set leads, when that is outside of it."""
    if not store.is_local:
        return None
    with suppress(OSError):
        root, target = Path(store.location).resolve(strict=True), store.path(name).resolve(strict=True)
        return None if target.is_relative_to(root) else target
    return None

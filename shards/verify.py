"""Proves a data set against the format, from the files alone: no ledger, no trust in what the build has counted."""

from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import suppress
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import yaml

from shards.annotations import check_annotations
from shards.checks.defect import REBUILD, Defect, Findings
from shards.checks.outcomes import OutcomesCheck
from shards.checks.tables import IndexCheck
from shards.checks.tar import TarReport, check_tar
from shards.documents import ShardRow
from shards.format import (
    CARD_FILE,
    DATASET_FILE,
    INDEX_FILE,
    OUTCOMES_FILE,
    ROOT_NAMES,
    SHARDS_FOLDER,
)
from shards.reader import Dataset, open_dataset

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
    """Every way in which the data set at `path` (a folder or fsspec URL) breaks the format; empty when it is sound.

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
    outcomes = OutcomesCheck()
    told = _there(dataset, OUTCOMES_FILE, outcomes.found) and _with(dataset, OUTCOMES_FILE, outcomes.read)
    index = _with(dataset, INDEX_FILE, IndexCheck) if _there(dataset, INDEX_FILE, law) else None
    found: list[Defect] = []
    total, done, seen = len(dataset), 0, dict.fromkeys(doc.splits, 0)
    rows = {row.name: row for row in doc.shards}
    for report in _reports(path, list(rows.values()), doc.config_hash, deep, workers):
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
    return [*law, *found, *(index.found if index is not None else ()), *outcomes.found, *added]


def leftovers(dataset: Dataset) -> Iterator[str]:
    """Files that dataset.json does not list: no part of the set, mostly what a killed build left behind."""
    listed = {row.name for row in dataset.doc.shards}
    for folder, belongs in (("", ROOT_NAMES), (SHARDS_FOLDER, listed)):
        for name in sorted(dataset.names(folder) - belongs):
            yield f"{folder}/{name}".lstrip("/") + ": is no part of the set (dataset.json does not list it)"


def _there(dataset: Dataset, name: str, found: Findings) -> bool:
    return found.expect(dataset.exists(name), f"{name} is missing", REBUILD)


def _check_card(dataset: Dataset) -> Findings:
    """The card's YAML is what the hub loads by: it must name the shards that dataset.json lists. Its text is free."""
    found = Findings(CARD_FILE)
    if not _there(dataset, CARD_FILE, found):
        return found
    with dataset.open(CARD_FILE) as raw:
        _, _, rest = raw.read().decode(errors="replace").partition("---\n")
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


def _with(dataset: Dataset, name: str, check: Callable):
    with dataset.open(name) as raw:
        return check(raw)


def _reports(path: str, rows: list[ShardRow], config_hash: str, deep: bool, workers: int) -> Iterator[TarReport]:
    check = partial(check_shard, path, config_hash=config_hash, deep=deep)
    if workers < 2 or len(rows) < 2:
        yield from map(check, rows)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        yield from pool.map(check, rows)


def check_shard(path: str, row: ShardRow, *, config_hash: str, deep: bool) -> TarReport:
    """Checks one shard of the data set at `path`; runs in any process."""
    name = f"{SHARDS_FOLDER}/{row.name}"
    dataset = open_dataset(path)
    report = TarReport(name=row.name, found=Findings(name))
    if not dataset.exists(name):
        report.found.add("is missing, though dataset.json lists it")
        return report
    if (outside := _leads_outside(path, name)) is not None:
        report.found.add(f"is a link that leads out of the data set, to {outside}", "put the file itself there")
        return report
    with dataset.open(name) as raw:
        return check_tar(raw, row, config_hash=config_hash, deep=deep)


def _leads_outside(path: str, name: str) -> Path | None:
    """Where a link in a local data set leads, when that is outside of it."""
    with suppress(OSError):
        root, target = Path(path).resolve(strict=True), (Path(path) / name).resolve(strict=True)
        return None if target.is_relative_to(root) else target
    return None

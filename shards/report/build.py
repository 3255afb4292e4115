"""report/index.html and report/report.json of a data set: both whole, or both as they were."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from humove.atomic import replacing
from humove.storage import open_store
from shards.clips import read_clips
from shards.format import REPORT_FOLDER
from shards.reader import open_dataset
from shards.report.figures import figures
from shards.report.page import render
from shards.report.pictures import RejectedPicture, draw_pictures
from shards.tables import refresh_tables

PAGE_FILE, FIGURES_FILE = "index.html", "report.json"


def read_figures(page: Path | str) -> dict[str, Any]:
    """The figures that lie beside a report's page."""
    folder, _, _ = str(page).rpartition("/")
    return json.loads(open_store(folder).read(FIGURES_FILE))


def build_report(
    path: str,
    out: Path | None = None,
    report: Callable[[str], None] = lambda line: None,
    rejected_picture: RejectedPicture | None = None,
) -> Path | str:
    """Writes the report on the data set at `path`, a folder or an address, and returns where its page lies.

    It goes to the folder `out`, or to the data set's own report folder, on an object store too. `report` hears a line
    for each step. `rejected_picture` gives a picture (H, W, 3) uint8 RGB of a clip that was dropped, by clip_id, or
    None. Until everything is counted and drawn an older report stays. UserError where there is no data set, or no
    place to write into.
    """
    dataset = open_dataset(path)
    refresh_tables(dataset.store, dataset.doc)
    found = figures(dataset, read_clips(dataset), report)
    unsound = {row["name"] for row in found["shards"]["rows"] if row["check"] not in ("sound", "size agrees")}
    shard_of = {row["key"]: row["shard"] for row in dataset.index_rows(["key", "shard"])} if unsound else {}
    pictures = draw_pictures(dataset, found, lambda key: shard_of.get(key) not in unsound, rejected_picture, report)
    page = render(found, pictures)
    document = json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    store = open_store(out) if out is not None else dataset.store.child(REPORT_FOLDER)
    if store.is_local:
        folder = out if out is not None else Path(store.location)
        with replacing(folder / FIGURES_FILE) as figures_file, replacing(folder / PAGE_FILE) as page_file:
            figures_file.write_text(document, encoding="utf-8")
            page_file.write_text(page, encoding="utf-8")
        return folder / PAGE_FILE
    store.write(FIGURES_FILE, document.encode())
    store.write(PAGE_FILE, page.encode())
    return f"{store.location}/{PAGE_FILE}"

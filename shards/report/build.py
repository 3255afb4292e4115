"""Write report/index.html and report/report.json of a data set, atomically."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from humove.storage import open_store
from humove.storage.atomic import replace_atomically
from shards.clips_table import read_clips
from shards.format import REPORT_FOLDER
from shards.reader import open_dataset
from shards.report.drawing.figures import compute_report_figures
from shards.report.drawing.frames import RejectedImage, draw_images
from shards.report.page import render_page
from shards.tables import refresh_tables

PAGE_FILE, FIGURES_FILE = "index.html", "report.json"


def read_figures(page: Path | str) -> dict[str, Any]:
    """Read the figures beside a report's page."""
    folder, _, _ = str(page).rpartition("/")
    return json.loads(open_store(folder).read(FIGURES_FILE))


def build_report(
    path: str,
    out: Path | None = None,
    log: Callable[[str], None] = lambda line: None,
    rejected_image: RejectedImage | None = None,
) -> Path | str:
    """Write the report on the data set at `path`, a folder or an address, and return the location of its page.

    The report is written to the folder `out`, or to the data set's own report folder, also on an object store. `log`
    is called with a line for each step. `rejected_image` returns an image (H, W, 3) uint8 RGB of a dropped clip by
    clip_id, or None. An older report is kept until the new one is complete. UserError if there is no data set, or the
    folder is not writable.
    """
    dataset = open_dataset(path)
    refresh_tables(dataset.store, dataset.doc)
    found = compute_report_figures(dataset, read_clips(dataset), log)
    unsound = {row["name"] for row in found["shards"]["rows"] if row["check"] not in ("sound", "size agrees")}
    shard_of = {row["key"]: row["shard"] for row in dataset.iterate_index_rows(["key", "shard"])} if unsound else {}
    images = draw_images(dataset, found, lambda key: shard_of.get(key) not in unsound, rejected_image, log)
    page = render_page(found, images)
    document = json.dumps(found, ensure_ascii=False, indent=1, allow_nan=False) + "\n"
    store = open_store(out) if out is not None else dataset.store.child(REPORT_FOLDER)
    if store.is_local:
        folder = out if out is not None else Path(store.location)
        with (
            replace_atomically(folder / FIGURES_FILE) as figures_file,
            replace_atomically(folder / PAGE_FILE) as page_file,
        ):
            figures_file.write_text(document, encoding="utf-8")
            page_file.write_text(page, encoding="utf-8")
        return folder / PAGE_FILE
    store.write(FIGURES_FILE, document.encode())
    store.write(PAGE_FILE, page.encode())
    return f"{store.location}/{PAGE_FILE}"

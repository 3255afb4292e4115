"""The report on a data set, with images also of the clips that no shard holds."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from pipelines.jobs.preview import open_ledger_media
from shards.clips_table import read_clips
from shards.reader import open_dataset
from shards.report.build import build_report


def report(path: str, out: Path | None, say: Callable[[str], None]) -> Path | str:
    """Write index.html and report.json into `out` (None: the data set's report folder); return the page.

    `say` gets a line for each step. UserError if `path` holds no data set.
    """
    with tempfile.TemporaryDirectory() as scratch:
        dataset = open_dataset(path)
        media = open_ledger_media(dataset, read_clips(dataset), Path(scratch))
        return build_report(path, out, say, media.draw_still if media else None)

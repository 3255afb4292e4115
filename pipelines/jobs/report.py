"""The report on a data set, with pictures also of the clips that no shard holds."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from pipelines.jobs.preview import ledger_media
from shards.clips import read_clips
from shards.reader import open_dataset
from shards.report.build import build_report


def report(path: str, out: Path | None, say: Callable[[str], None]) -> Path | str:
    """Writes index.html and report.json into `out` (None: the data set's own report folder); returns the page.

    `say` hears a line for each step. UserError where `path` holds no data set.
    """
    with tempfile.TemporaryDirectory() as scratch:
        dataset = open_dataset(path)
        media = ledger_media(dataset, read_clips(dataset), Path(scratch))
        return build_report(path, out, say, media.drawn if media else None)

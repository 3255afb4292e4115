"""A new data set from what an earlier build has measured: other thresholds, the same measurements."""

import os
import shutil
from pathlib import Path

from humove.errors import UserError
from pipelines.build import Built, build
from pipelines.config import BuildConfig
from pipelines.ledger import Ledger
from pipelines.progress import Reporter
from shards.format import LEDGER_FOLDER


def reselect(config: BuildConfig, dataset: Path, out: Path, report: Reporter) -> Built:
    """Builds `out` from the ledger of `dataset`, batch by batch as that was built.

    The ledger's records are linked (copied across file systems): they never change, so that both builds may go on.
    Annotators run on clips alone that a looser threshold admits.
    """
    source = Ledger(dataset / LEDGER_FOLDER)
    if not source.batch_numbers():
        raise UserError(f"{dataset}: has no ledger to select from; build it with this toolkit first")
    if out.resolve() == dataset.resolve():
        raise UserError(f"OUT={out}: is the data set itself; choose another folder")
    if (out / LEDGER_FOLDER).exists():
        raise UserError(f"OUT={out}: holds a build already; choose an empty folder")
    try:
        shutil.copytree(source.folder, out / LEDGER_FOLDER, copy_function=_link)
    except OSError as e:
        raise UserError(f"OUT={out}: cannot be written: {e.strerror}; choose a folder that you may write to") from e
    return build(config, [], out, report)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)

"""A new data set from what an earlier build has measured: other thresholds, the same measurements."""

import os
import shutil
from pathlib import Path

from humove.errors import UserError
from humove.ids import file_sha256
from pipelines.build import Built, build
from pipelines.config import BuildConfig
from pipelines.ledger import Ledger
from pipelines.plan import Plan
from pipelines.progress import Reporter
from shards.format import LEDGER_FOLDER


def reselect(config: BuildConfig, dataset: Path, out: Path, report: Reporter) -> Built:
    """Builds `out` from the ledger of `dataset`, batch by batch as that was built.

    The ledger's records are linked (copied across file systems): they never change, so that both builds may go on.
    Annotators run on clips alone that a looser threshold admits. Run again after a stop, or with other settings.
    """
    source, target = Ledger(dataset / LEDGER_FOLDER), Ledger(out / LEDGER_FOLDER)
    if not source.batch_numbers():
        raise UserError(f"{dataset}: has no ledger to select from; build it with this toolkit first")
    if out.resolve() == dataset.resolve():
        raise UserError(f"OUT={out}: is the data set itself; choose another folder")
    if _batches(target) - _batches(source) or (not target.batch_numbers() and out.exists() and any(out.iterdir())):
        raise UserError(f"OUT={out}: holds something else already; choose an empty folder")
    Plan.of(config, target).check(runs=False)
    try:
        # Batches are linked last: a ledger that has them is whole.
        shutil.copytree(
            source.folder, target.folder, copy_function=_link, dirs_exist_ok=True, ignore=_without("batches")
        )
        for number in source.batch_numbers():
            target.batch_file(number).parent.mkdir(parents=True, exist_ok=True)
            _link(str(source.batch_file(number)), str(target.batch_file(number)))
    except OSError as e:
        raise UserError(f"OUT={out}: cannot be written: {e.strerror}; choose a folder that you may write to") from e
    return build(config, [], out, report)


def _batches(ledger: Ledger) -> set[tuple[int, str]]:
    return {(number, file_sha256(ledger.batch_file(number))) for number in ledger.batch_numbers()}


def _without(name: str):
    return lambda _folder, names: {name} & set(names)


def _link(source: str, target: str) -> None:
    if os.path.exists(target):
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copy2(source, target)

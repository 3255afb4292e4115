"""A new data set from what an earlier build has measured: other thresholds, the same measurements."""

from pathlib import Path

from humove.errors import UserError
from humove.storage import open_store
from pipelines.config import BuildConfig
from pipelines.engine.build_progress import BuildProgress
from pipelines.engine.ledger import Ledger
from pipelines.engine.plan import Plan
from pipelines.jobs.build import Built, build
from pipelines.marks import read_copy


def reselect(config: BuildConfig, dataset: str | Path, out: str | Path, progress: BuildProgress) -> Built:
    """Builds `out` from the ledger of `dataset`, batch by batch as that was built.

    No records are copied: `out` names `dataset`, and reads there what was measured. Annotators run on clips alone that
    a looser threshold admits. Run again after a stop, or with other settings.
    """
    source, target = Ledger(open_store(dataset)), Ledger(open_store(out))
    if not source.batch_numbers():
        raise UserError(f"{dataset}: has no ledger to select from; build it with this toolkit first")
    source.check_version()
    if source.store == target.store:
        raise UserError(f"OUT={out}: is the data set itself; choose another folder")
    base = target.base()
    if base is None and (target.batch_numbers() or _is_used(target)):
        raise UserError(f"OUT={out}: holds something else already; choose an empty folder")
    if base is not None and base.store != source.store:
        raise UserError(f"OUT={out}: was selected from {base.store}; choose another OUT for {dataset}")
    Plan.of(config, read_copy(config.marks, source.store)).check(runs=False)
    target.write_json("base.json", {"location": source.store.location})
    target.write_version()
    have = set(target.batch_numbers())
    for number in source.batch_numbers():  # base.json first: a ledger that has batches knows where they come from
        if number not in have:
            target.freeze(number, source.read_batch(number))
    target.write_settings(config.data_settings())
    if config.marks.sha256 and not config.marks.file:
        target.store.write(_marks(config), source.store.read(_marks(config)))
    return build(config, [], out, progress)


def _marks(config: BuildConfig) -> str:
    return f"ledger/marks/{config.marks.sha256}.jsonl"


def _is_used(ledger: Ledger) -> bool:
    if ledger.store.is_local:
        folder = Path(ledger.store.location)
        return folder.exists() and any(path.name != "ledger" for path in folder.iterdir())
    return bool(ledger.store.exists("dataset.json"))

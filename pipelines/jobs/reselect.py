"""A new data set from the measurements of an earlier build, with other thresholds."""

from pathlib import Path

from humove.errors import UserError
from humove.storage import open_store
from pipelines.config import BuildConfig
from pipelines.engine.build_progress import BuildProgress
from pipelines.engine.ledger import Ledger
from pipelines.engine.plan import Plan
from pipelines.jobs.build import BuildResult, build
from pipelines.labels import get_copy_name, load_build_labels


def reselect(config: BuildConfig, dataset: str | Path, out: str | Path, progress: BuildProgress) -> BuildResult:
    """Build `out` from the ledger of `dataset`, with the same batches.

    No records are copied: `out` refers to `dataset` and reads its measurements. Annotators only run on clips that a
    looser threshold admits. The job can be resumed, and run again with other settings.
    """
    source, target = Ledger(open_store(dataset)), Ledger(open_store(out))
    if not source.list_batch_numbers():
        raise UserError(f"{dataset}: has no ledger to select from; build it with this toolkit first")
    source.check_version()
    if source.store == target.store:
        raise UserError(f"OUT={out} is the data set itself; choose another folder")
    base = target.open_base()
    if base is None and (target.list_batch_numbers() or _is_used(target)):
        raise UserError(f"OUT={out}: holds other files; choose an empty folder")
    if base is not None and base.store != source.store:
        raise UserError(f"OUT={out}: was selected from {base.store}; choose another OUT for {dataset}")
    Plan.from_config(config, load_build_labels(config.labels, source.store)).check_annotators(runs=False)
    target.write_json("base.json", {"location": source.store.location})
    target.write_version()
    have = set(target.list_batch_numbers())
    for number in source.list_batch_numbers():  # after base.json: a ledger with batches must name their source
        if number not in have:
            target.freeze_batch(number, source.read_batch(number))
    target.write_settings(config.get_data_settings())
    if config.labels.sha256 and not config.labels.file:
        name = get_copy_name(config.labels)
        target.store.write(name, source.store.read(name))
    return build(config, [], out, progress)


def _is_used(ledger: Ledger) -> bool:
    if ledger.store.is_local:
        folder = Path(ledger.store.location)
        return folder.exists() and any(path.name != "ledger" for path in folder.iterdir())
    return bool(ledger.store.exists("dataset.json"))

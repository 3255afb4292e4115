"""A build: freeze the inputs, compute missing measurements, assemble, commit."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from humove.errors import EXIT_NO_SAMPLES, EXIT_TOO_MANY_FAULTS, UserError
from humove.storage import Store, lock_store, open_store, require_writable
from pipelines.assembly.commit import finish_commit, read_batch_commits
from pipelines.config import BuildConfig, compare_settings, rename_sections
from pipelines.engine.build_progress import BuildProgress
from pipelines.engine.executors.make import make_executor
from pipelines.engine.ledger import Ledger
from pipelines.engine.measure import MeasureStage
from pipelines.engine.models.local_servers import make_model_servers
from pipelines.engine.plan import Plan
from pipelines.inputs.listing import list_inputs
from pipelines.inputs.reference import InputRef, is_url
from pipelines.jobs.build_loop import BuildLoop
from pipelines.labels import load_build_labels, store_build_labels
from shards.format import DATASET_FILE, LEDGER_FOLDER
from shards.schemas import DatasetDoc, parse_dataset
from shards.tables import name_clips_part

MIN_FAULTS = 10
"""At most this many faults do not end a build with an error, whatever their share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildResult:
    """The result of a build. `worked` is False if everything existed already."""

    doc: DatasetDoc
    worked: bool


def build(
    config: BuildConfig, videos: str | Sequence[InputRef], out: str | Path, progress: BuildProgress
) -> BuildResult:
    """Build, resume, extend or reselect the data set at `out`, as needed.

    `out` is a folder or the URL of a store. Raises UserError for bad arguments (nothing is written then); if no sample
    was kept; and if too many units faulted: then what succeeded is committed, and the next run retries the rest.
    """
    store = open_store(out)
    ledger = Ledger(store)
    labels = load_build_labels(config.labels, store)
    plan = Plan.from_config(config, labels)
    plan.check_annotators(runs=bool(videos))  # a reselection needs no model unless a looser threshold admits a clip
    ledger.check_version()
    _check_target(store, ledger)
    inputs = _list_inputs(videos, store, ledger, config.inputs.ignore_columns, progress)
    require_writable(store)
    with lock_store(store, "build") as lease:
        store_build_labels(config.labels, labels, store)
        doc = _read_committed(store)
        if doc is not None:
            finish_commit(ledger, doc, plan.scratch)  # after a kill between the commit and its cleanup
        committed = _find_unchanged_batches(plan, store, doc, progress)
        ledger.write_version()
        fresh = _freeze_inputs(ledger, inputs, config.execution.batch_videos, progress)
        numbers = ledger.list_batch_numbers()
        pending = [n for n in numbers if n not in committed or committed[n].num_faulted]
        if doc is not None and not pending:
            return BuildResult(doc=_require_samples(doc, store), worked=False)
        if fresh:
            progress.say(f"{fresh:,} new inputs")
        ledger.write_settings(config.get_data_settings())
        executor = make_executor(config.execution, progress.say)
        try:
            with make_model_servers(config, progress.say) as servers:
                for step in plan.steps:
                    if hasattr(step, "num_workers"):
                        step.num_workers = executor.count_slots()
                stage = MeasureStage(plan, store, servers.make_clients())
                loop = BuildLoop(
                    plan, ledger, executor, stage, progress, lease, doc=doc, committed=committed, pending=pending
                )
                done = sum(commit.row.num_inputs for n, commit in committed.items() if n not in pending)
                doc = loop.run(_count_inputs(ledger, numbers), done)
        finally:
            executor.close()
    _check_faults(loop, config, store)
    return BuildResult(doc=_require_samples(doc, store, loop), worked=True)


def _count_inputs(ledger: Ledger, numbers: list[int]) -> int:
    return sum(ledger.read_batch_bytes(number).count(b"\n") for number in numbers)


def _require_samples(doc: DatasetDoc, store: Store, loop: BuildLoop | None = None) -> DatasetDoc:
    if not doc.shards and loop is not None and loop.num_faulted:
        raise UserError(f"{store}: no sample was kept, and {_describe_faults(loop, store)}", EXIT_NO_SAMPLES)
    if not doc.shards:
        raise UserError(
            f"{store}: no sample was kept; its outcomes.parquet has the reasons (humove outcomes {store})",
            EXIT_NO_SAMPLES,
        )
    return doc


def _check_faults(loop: BuildLoop, config: BuildConfig, store: Store) -> None:
    allowed = max(MIN_FAULTS, config.execution.max_fault_share * loop.num_units)
    if loop.num_faulted > allowed:
        raise UserError(
            f"more than execution.max_fault_share allows: {_describe_faults(loop, store)}", EXIT_TOO_MANY_FAULTS
        )


def _describe_faults(loop: BuildLoop, store: Store) -> str:
    first = loop.faults[0] if loop.faults else {"uri": "", "stage": "", "error": ""}
    return (
        f"{loop.num_faulted} of {loop.num_units} units faulted; the first is {first['uri']}: {first['stage']}: "
        f"{first['error']} (what succeeded is committed; tracebacks: {store}/{LEDGER_FOLDER}/faults.jsonl; run the "
        "same command again to retry the rest)"
    )


def _list_inputs(
    videos: str | Sequence[InputRef],
    store: Store,
    ledger: Ledger,
    ignore_columns: tuple[str, ...],
    progress: BuildProgress,
) -> list[InputRef]:
    """List the inputs, without files in OUT itself."""
    if not isinstance(videos, str):
        return list(videos)
    known = {item.uri: item for number in ledger.list_batch_numbers() for item in ledger.read_batch(number)}
    last_reported = [0]

    def report(done: int, total: int) -> None:
        if done - last_reported[0] >= 1000:
            last_reported[0] = done
            progress.say(f"requested the sizes of {done:,} of {total:,} URLs")

    inputs = list_inputs(videos, known, report, ignore_columns=ignore_columns)
    if store.is_local:
        own = store.path(".writable").parent.resolve()
        inputs = [i for i in inputs if is_url(i.location) or not Path(i.location).is_relative_to(own)]
    else:
        inputs = [i for i in inputs if not i.location.startswith(f"{store.location}/")]
    if not inputs:
        raise UserError(f"VIDEOS={videos}: holds only the data set at {store}; choose another folder")
    return inputs


def _check_target(store: Store, ledger: Ledger) -> None:
    """Check that OUT is new or holds a data set with its ledger; UserError otherwise."""
    if ledger.list_batch_numbers() or ledger.read_json("base.json") is not None:
        return
    if store.exists(DATASET_FILE):
        raise UserError(f"OUT={store}: holds a data set without its ledger, which cannot be extended; choose a new OUT")
    if store.is_local:
        folder = store.path(".lock").parent
        if folder.is_file() or (
            folder.is_dir() and any(p.name not in (LEDGER_FOLDER, ".lock") for p in folder.iterdir())
        ):
            raise UserError(f"OUT={store}: is not empty, and not a data set of this toolkit; choose a new folder")


def _read_committed(store: Store) -> DatasetDoc | None:
    try:
        return parse_dataset(store.read(DATASET_FILE), store.location)
    except FileNotFoundError:
        return None


def _find_unchanged_batches(plan: Plan, store: Store, doc: DatasetDoc | None, progress: BuildProgress) -> dict:
    """Find the committed batches that match these settings; none if all must be reselected."""
    if doc is None:
        return {}
    if doc.config_hash != plan.config_hash:
        changes = compare_settings(rename_sections(doc.config), plan.config.get_data_settings())
        changes = changes or ["another version of the toolkit or its models"]
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        progress.say(f"{store} was built with other settings ({'; '.join(changes[:3])}{more}): reselecting all of it")
        return {}
    there = {entry.name for folder in ("tables", "ledger/tables") for entry in store.list(folder)}
    wanted = [row.name for rows in doc.tables.values() for row in rows]
    wanted += [name_clips_part(row.name) for row in doc.tables.get("outcomes", ())]
    lost = [name for name in wanted if name not in there]
    if lost:
        progress.say(f"{store} lacks {', '.join(lost[:3])}: assembling all of it again")
        return {}
    return read_batch_commits(doc)


def _freeze_inputs(ledger: Ledger, inputs: list[InputRef], batch_videos: int, progress: BuildProgress) -> int:
    """Make batches of the inputs that no earlier batch holds; return the number of inputs."""
    numbers = ledger.list_batch_numbers()
    known = {item.input_id: item.uri for number in numbers for item in ledger.read_batch(number)}
    fresh = [item for item in inputs if item.input_id not in known]
    replaced = {item.uri for item in fresh} & set(known.values())
    if replaced:
        progress.say(f"{len(replaced):,} files have changed: the data set contains both the old and the new content")
    following = numbers[-1] + 1 if numbers else 0
    for start in range(0, len(fresh), batch_videos):
        ledger.freeze_batch(following + start // batch_videos, fresh[start : start + batch_videos])
    return len(fresh)

"""Add an annotation to a finished data set: run one annotator on the stored samples, into side shards.

The annotator runs in the same step as in a build, which reads the sample in place of a clip's records. The result is
that of a build, except that frames come from the stored mp4. Models that need the source video (tracks, motion) require
a build.
"""

import json
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path

import humove
from annotators.network import Network
from annotators.registry import KINDS, build_annotator_record, get_section_name
from annotators.rights import check_annotator, find_unset_settings
from humove.errors import EXIT_TOO_MANY_FAULTS, UserError
from humove.ids import hash_settings
from humove.storage import Store, lock_store
from humove.types import Sample
from pipelines.config import BuildConfig
from pipelines.engine.executors.make import make_executor
from pipelines.engine.executors.run_tasks import run_tasks
from pipelines.engine.executors.task import Executor, Fault, Task
from pipelines.engine.models.local_servers import make_model_servers
from pipelines.engine.plan import Plan
from pipelines.jobs.stored_view import StoredView
from pipelines.progress import Reporter
from pipelines.stages.step import Step
from shards.annotations import DOC_FILE, NAME, AnnotationDoc, AnnotationRow, AnnotationShard, encode_annotation_row
from shards.format import ANNOTATIONS_FOLDER, SHARDS_FOLDER
from shards.reader import decode_sample, open_dataset, read_members
from shards.schemas import ShardRow
from shards.tables import refresh_tables
from shards.tars import TarWriter

ADDABLE = ("caption", "category", "aesthetic", "pose2d")
"""Steps whose annotators need only a stored sample."""


def parse_annotator_choice(choice: str) -> tuple[str, list[str]]:
    """Parse `--with KIND=NAME` into the step and the settings that choose the annotator."""
    step, equals, name = choice.partition("=")
    if step not in ADDABLE:
        if step in ("track", *(get_section_name(kind) for kind in KINDS)):
            raise UserError(
                f"--with {choice}: {step} needs the source video: build again with SET {step}.annotator=NAME; the "
                "ledger keeps all measurements that do not depend on it"
            )
        raise UserError(f"--with {choice}: write KIND=NAME, as in caption=endpoint; kinds are {', '.join(ADDABLE)}")
    if not equals or not name:
        raise UserError(f"--with {choice}: write KIND=NAME, as in caption=endpoint")
    uses = ["category.sources=[clip]"] if step == "category" else []
    return step, [f"{step}.annotator={name}", *uses]


def annotate(config: BuildConfig, step_name: str, name: str, root: str | Path, report: Reporter) -> AnnotationDoc:
    """Write, resume or extend the annotation `name` of the data set at `root`, by the annotator that `config` chooses
    for the step. Shards that have it by the same model and settings are not changed.

    Raises UserError for bad arguments, for a name that is used with other settings, and if a shard faulted (the others
    are kept, and the next call does the rest).
    """
    dataset = open_dataset(str(root))
    refresh_tables(dataset.store, dataset.doc)
    section = getattr(config, step_name)
    check_annotator(step_name, section, config.allow, runs=True)
    if empty := find_unset_settings(step_name, section):
        raise UserError(f"not set: {', '.join(empty)}; set each, as in SET {empty[0]}=...")
    name = name or f"{step_name}-{section.annotator}"
    if not NAME.fullmatch(name):
        raise UserError(f"--name {name}: use small letters, digits, - and _, as in captions-2")
    config = config.pin_files()
    step = _find_step(config, step_name)
    settings = step.get_settings()
    digest = hash_settings([step.name, step.version, settings])
    store = dataset.store.child(f"{ANNOTATIONS_FOLDER}/{name}")
    _check_settings_hash(store, digest)
    with lock_store(store, "annotation"):
        done = _read_done(store, digest)
        rows = [r for r in dataset.doc.shards if not _is_complete(store, done.get(r.name), r)]
        stage = AnnotateStage(root=dataset.store, store=store, step=step, digest=digest, config=config)
        if rows:
            _annotate_shards(stage, rows, config, report)
        done = _read_done(store, digest)
        doc = AnnotationDoc(
            name=name,
            kind=step_name,
            tool_version=humove.__version__,
            annotator=build_annotator_record(step_name, getattr(config, step_name)),
            settings=settings,
            settings_hash=digest,
            shards=tuple(done[r.name] for r in dataset.doc.shards),
        )
        store.write(DOC_FILE, doc.to_text().encode())
        _remove_leftovers(store, doc)
    return doc


def _find_step(config: BuildConfig, name: str) -> Step:
    found = next((s for s in Plan.from_config(config).steps if s.name == name), None)
    if found is None:
        raise UserError(f"{name}: no annotator is chosen by these settings")
    return found


_PARTS = ".parts"
"""Descriptions of finished shards, until the commit."""


def _check_settings_hash(store: Store, digest: str) -> None:
    try:
        before = json.loads(store.read(DOC_FILE))["settings_hash"]
    except FileNotFoundError:
        return
    except (json.JSONDecodeError, KeyError, UnicodeDecodeError) as e:
        raise UserError(f"{store}/{DOC_FILE} is damaged; remove {store} and run the command again") from e
    if before != digest:
        raise UserError(f"{store}: holds an annotation by another model or settings; give this one another --name")


def _read_done(store: Store, digest: str) -> dict[str, AnnotationShard]:
    """Read the shards finished with these settings, both committed and not."""
    found = {}
    if store.exists(DOC_FILE):
        doc = AnnotationDoc.model_validate_json(store.read(DOC_FILE))
        found = {shard.name: shard for shard in doc.shards if doc.settings_hash == digest}
    for entry in store.list(_PARTS):
        if entry.name.endswith(f".{digest}.json"):
            shard = AnnotationShard.model_validate_json(store.read(entry.name))
            found[shard.name] = shard
    return found


def _is_complete(store: Store, side: AnnotationShard | None, row: ShardRow) -> bool:
    """Check that a shard's annotation exists, and was made from the present file."""
    if side is None or side.source_sha256 != row.sha256:
        return False
    try:
        return store.size(side.name) == side.bytes
    except FileNotFoundError:
        return False


def _annotate_shards(stage: "AnnotateStage", rows: Sequence[ShardRow], config: BuildConfig, report: Reporter) -> None:
    tasks = [Task(task_id=row.name, label=row.name, stage=stage, payload=row, weight=row.num_samples) for row in rows]
    gpus = {name: share for name, share in config.execution.gpus.items() if name == stage.step.name}
    served = config.model_copy(update={"execution": config.execution.model_copy(update={"gpus": gpus})})
    executor = make_executor(config.execution, report.say)
    try:
        with make_model_servers(served, report.say) as servers:
            stage.networks = servers.make_clients()
            faults = _run_tasks(tasks, executor, report)
    finally:
        report.finish()
        executor.close()
    if faults:
        raise UserError(
            f"{stage.store}: {len(faults)} of {len(tasks)} shards faulted; the first is {faults[0]} "
            "(run the same command again to try them again)",
            EXIT_TOO_MANY_FAULTS,
        )


def _run_tasks(tasks: list[Task], executor: Executor, report: Reporter) -> list[str]:
    """Run the tasks; return one line per fault."""
    faults = []
    report.start("annotate", len(tasks), sum(task.weight for task in tasks))
    for done in run_tasks(executor, tasks):
        faulted = isinstance(done.result, Fault)
        if faulted:
            faults.append(f"{done.task.label}: {done.result.error}")
            report.say(f"fault: {faults[-1]}")
        report.advance(done.task.weight, "faulted" if faulted else "done")
    return faults


def _remove_leftovers(store: Store, doc: AnnotationDoc) -> None:
    listed = {shard.name for shard in doc.shards}
    names = [entry.name for entry in store.list()]
    store.delete(
        [n for n in names if n.startswith(f"{_PARTS}/") or (n.endswith(".tar") and "/" not in n and n not in listed)]
    )
    if store.is_local:
        with suppress(OSError):  # it is missing, or holds other files
            store.path(_PARTS).rmdir()


class AnnotateStage:
    """ShardRow -> its side shard, written atomically, and its description for the commit."""

    name = "annotate"

    def __init__(self, *, root: Store, store: Store, step: Step, digest: str, config: BuildConfig) -> None:
        self.root, self.store, self.step, self.digest = root, store, step, digest
        self.scratch = Path(config.execution.scratch or tempfile.gettempdir())
        self.networks: Mapping[str, Network] = {}

    def setup(self) -> None:
        self.step.setup(self.networks)

    def process(self, row: ShardRow, attempt: int) -> AnnotationShard:
        dataset = open_dataset(self.root.location)
        count = rejected = 0
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="annotate-") as folder:
            path = Path(folder) / row.name
            with dataset.open(f"{SHARDS_FOLDER}/{row.name}") as source, TarWriter(path) as tar:
                for key, members in read_members(source):
                    side = self._annotate(decode_sample(key, row.split, members))
                    count, rejected = count + 1, rejected + (side.reject is not None)
                    for suffix, raw in encode_annotation_row(self.step.name, side):
                        tar.add(f"{key}.{suffix}", raw)
            self.store.write_file(row.name, path)
        shard = AnnotationShard(
            name=row.name,
            source_sha256=row.sha256,
            num_samples=count,
            num_rejected=rejected,
            bytes=tar.written.bytes,
            sha256=tar.written.sha256,
        )
        self.store.write(f"{_PARTS}/{row.name}.{self.digest}.json", shard.model_dump_json().encode())
        return shard

    def _annotate(self, sample: Sample) -> AnnotationRow:
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="annotate-") as scratch:
            view = StoredView.from_sample(sample, Path(scratch))
            try:
                record, arrays = self.step.measure(view)
            finally:
                view.close()
        reject = None if record.reject is None else {**asdict(record.reject), "reason": record.reject.reason.value}
        return AnnotationRow(key=sample.key, facts=record.facts, scores=record.scores, reject=reject, arrays=arrays)

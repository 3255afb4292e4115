"""An annotation added to a finished data set: one annotator over the stored samples, into side shards.

The annotator runs through the very step that a build runs it in; what that step would read from a clip's records it
reads here from the sample. So a caption added later is the caption that a build would have written, but that pictures
are those of the stored mp4. Models that need the source video (tracks, motion) are the business of a build.
"""

import json
import tempfile
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

import humove
from annotators.registry import KINDS, annotator_record, section_name
from annotators.rights import check_annotator, unset
from humove.atomic import write_text
from humove.errors import EXIT_TOO_MANY_FAULTS, UserError
from humove.ids import settings_hash
from humove.out import locked
from humove.stage import Emit, Resources
from humove.types import Sample
from pipelines.build import make_executor
from pipelines.config import BuildConfig
from pipelines.ledger import Ledger
from pipelines.plan import Plan
from pipelines.progress import Reporter
from pipelines.stages.step import Step
from pipelines.stored_view import StoredView
from pipelines.work import Fault, Work
from shards.annotations import DOC_FILE, NAME, AnnotationDoc, SideRow, SideShard, side_members
from shards.documents import ShardRow
from shards.format import ANNOTATIONS_FOLDER, LEDGER_FOLDER, SHARDS_FOLDER
from shards.reader import Dataset, decode_sample, open_dataset, read_members
from shards.tars import TarWriter

ADDABLE = ("caption", "category", "aesthetic", "pose2d")
"""The kinds whose annotators need no more than a stored sample."""


def chosen_with(said: str) -> tuple[str, list[str]]:
    """The step of `--with KIND=NAME`, and the settings that choose the annotator."""
    step, equals, name = said.partition("=")
    if step not in ADDABLE:
        source = ("track", *(section_name(kind) for kind in KINDS))
        if step in source:
            raise UserError(
                f"--with {said}: {step} is made from the source video: build again with SET {step}.annotator=NAME; "
                "the ledger spares all that does not depend on it"
            )
        raise UserError(f"--with {said}: write KIND=NAME, as in caption=endpoint; kinds are {', '.join(ADDABLE)}")
    if not equals or not name:
        raise UserError(f"--with {said}: write KIND=NAME, as in caption=endpoint")
    uses = ["category.sources=[clip]"] if step == "category" else []
    return step, [f"{step}.annotator={name}", *uses]


def annotate(config: BuildConfig, step_name: str, name: str, root: Path, report: Reporter) -> AnnotationDoc:
    """Writes, resumes or extends the annotation `name` of the data set at `root`, by the annotator that `config`
    chooses for the step. Shards that have it already, by the same model and settings, are left as they are.

    Raises UserError for bad arguments, for a name that is taken by other settings, and where a shard faulted (those
    that succeeded stay, and the next call does the rest).
    """
    dataset = open_dataset(str(root))
    section = getattr(config, step_name)
    check_annotator(step_name, section, config.allow, runs=True)
    if empty := unset(step_name, section):
        raise UserError(f"not set: {', '.join(empty)}; name each, as in SET {empty[0]}=...")
    name = name or f"{step_name}-{section.annotator}"
    if not NAME.fullmatch(name):
        raise UserError(f"--name {name}: use small letters, digits, - and _, as in captions-2")
    config = config.pinned()
    step = _step(config, step_name, root)
    record = annotator_record(step_name, getattr(config, step_name))
    settings = step.settings()
    digest = settings_hash([step.name, step.version, settings])
    folder = root / ANNOTATIONS_FOLDER / name
    _not_another(folder, digest)
    folder.mkdir(parents=True, exist_ok=True)
    with locked(folder, "annotation"):
        done = _done(folder, digest)
        rows = [r for r in dataset.doc.shards if not _whole(folder, done.get(r.name), r)]
        stage = AnnotateStage(root=str(root), folder=folder, step=step, digest=digest, config=config)
        _run(stage, rows, config, report)
        done = _done(folder, digest)
        shards = tuple(done[r.name] for r in dataset.doc.shards)
        doc = AnnotationDoc(
            name=name,
            kind=step_name,
            tool_version=humove.__version__,
            annotator=record,
            settings=settings,
            settings_hash=digest,
            shards=shards,
        )
        write_text(folder / DOC_FILE, doc.to_text())
        _tidy(folder, doc)
    return doc


def _step(config: BuildConfig, name: str, root: Path) -> Step:
    steps = Plan.of(config, Ledger(root / LEDGER_FOLDER)).steps
    found = next((s for s in steps if s.name == name), None)
    if found is None:
        raise UserError(f"{name}: no annotator is chosen by these settings")
    return found


def _parts(folder: Path) -> Path:
    return folder / ".parts"


def _not_another(folder: Path, digest: str) -> None:
    if not (folder / DOC_FILE).is_file():
        return
    try:
        before = json.loads((folder / DOC_FILE).read_text(encoding="utf-8"))["settings_hash"]
    except (json.JSONDecodeError, KeyError, UnicodeDecodeError) as e:
        raise UserError(f"{folder / DOC_FILE}: is damaged; remove {folder} and run the command again") from e
    if before != digest:
        raise UserError(
            f"{folder}: holds an annotation by another model or settings; give this one a --name of its own"
        )


def _done(folder: Path, digest: str) -> dict[str, SideShard]:
    """The shards that were finished with these settings: those that were committed, and those since."""
    found = {}
    if (folder / DOC_FILE).is_file():
        doc = AnnotationDoc.model_validate_json((folder / DOC_FILE).read_bytes())
        found = {shard.name: shard for shard in doc.shards if doc.settings_hash == digest}
    for path in sorted(_parts(folder).glob(f"*.{digest}.json")):
        shard = SideShard.model_validate_json(path.read_bytes())
        found[shard.name] = shard
    return found


def _whole(folder: Path, side: SideShard | None, row: ShardRow) -> bool:
    """Whether a shard has its annotation: made of the very file that is there now, and still lying there."""
    if side is None or side.source_sha256 != row.sha256:
        return False
    path = folder / side.name
    return path.is_file() and path.stat().st_size == side.bytes


def _run(stage: "AnnotateStage", rows: Sequence[ShardRow], config: BuildConfig, report: Reporter) -> None:
    works = [Work(unit_id=row.name, label=row.name, weight=row.num_samples, payload=row) for row in rows]
    if not works:
        return
    executor = make_executor(config)
    faults = []
    try:
        report.start(stage.name, len(works), sum(work.weight for work in works))
        for done in executor.map(stage, works):
            if isinstance(done.outcome, Fault):
                faults.append(f"{done.work.label}: {done.outcome.error}")
                report.say(f"fault: {faults[-1]}")
            report.advance(done.work.weight, "faulted" if isinstance(done.outcome, Fault) else "done")
    finally:
        report.finish()
        executor.close()
    if faults:
        raise UserError(
            f"{stage.folder}: {len(faults)} of {len(works)} shards faulted; the first is {faults[0]} "
            "(run the same command again to try them again)",
            EXIT_TOO_MANY_FAULTS,
        )


def _tidy(folder: Path, doc: AnnotationDoc) -> None:
    listed = {shard.name for shard in doc.shards}
    for path in folder.glob("*.tar"):
        if path.name not in listed:
            path.unlink()
    for path in _parts(folder).glob("*.json"):
        path.unlink()
    if _parts(folder).is_dir():
        _parts(folder).rmdir()


class AnnotateStage:
    """ShardRow -> its side shard, whole or not at all, and a note of it for the commit."""

    name = "annotate"
    version = "1"
    batch_size = 1

    def __init__(self, *, root: str, folder: Path, step: Step, digest: str, config: BuildConfig) -> None:
        self.root, self.folder, self.step, self.digest = root, folder, step, digest
        self.scratch = Path(config.execution.scratch or tempfile.gettempdir())
        self.resources = Resources(cpus=1, gpus=config.gpu_shares().get(step.name, 0.0))

    def setup(self) -> None:
        self.step.setup()

    def process(self, batch: Sequence[ShardRow]) -> list[Emit[SideShard]]:
        dataset = open_dataset(self.root)
        return [Emit(outputs=(self._one(dataset, row),)) for row in batch]

    def _one(self, dataset: Dataset, row: ShardRow) -> SideShard:
        count = rejected = 0
        with dataset.open(f"{SHARDS_FOLDER}/{row.name}") as source, TarWriter(self.folder / row.name) as tar:
            for key, members in read_members(source):
                said = self._say(decode_sample(key, row.split, members))
                count, rejected = count + 1, rejected + (said.reject is not None)
                for suffix, raw in side_members(self.step.name, said):
                    tar.add(f"{key}.{suffix}", raw)
        side = SideShard(
            name=row.name,
            source_sha256=row.sha256,
            num_samples=count,
            num_rejected=rejected,
            bytes=tar.written.bytes,
            sha256=tar.written.sha256,
        )
        write_text(_parts(self.folder) / f"{row.name}.{self.digest}.json", side.model_dump_json())
        return side

    def _say(self, sample: Sample) -> SideRow:
        with tempfile.TemporaryDirectory(dir=self.scratch, prefix="annotate-") as scratch:
            view = StoredView.of(sample, Path(scratch))
            try:
                record, arrays = self.step.measure(view)
            finally:
                view.close()
        reject = None if record.reject is None else {**asdict(record.reject), "reason": record.reject.reason.value}
        return SideRow(key=sample.key, facts=record.facts, scores=record.scores, reject=reject, arrays=arrays)

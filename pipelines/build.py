"""A build: freeze the inputs, measure what the ledger lacks, assemble, commit."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from humove.atomic import write_text
from humove.errors import EXIT_NO_SAMPLES, EXIT_TOO_MANY_FAULTS, UserError
from humove.out import locked, need_writable
from humove.stage import Emit, Stage
from humove.types import Clip
from humove.video.scan import Unit
from pipelines.assemble import assemble
from pipelines.config import BuildConfig, differences
from pipelines.executors.gpus import gpus_here, require_gpus
from pipelines.inputs import InputRef, is_url, list_inputs
from pipelines.ledger import FaultRecord, Ledger
from pipelines.marks import keep_copy
from pipelines.plan import Plan
from pipelines.progress import Reporter
from pipelines.stages.clips import ClipGroup
from pipelines.stages.scan import ScanJob, part_step
from pipelines.stages.split import SplitJob
from pipelines.walk import MISSING, InputState, walk
from pipelines.work import Executor, Fault, Work
from shards.card import write_card
from shards.documents import DatasetDoc, parse_dataset
from shards.format import CARD_FILE, DATASET_FILE, INDEX_FILE, LEDGER_FOLDER, OUTCOMES_FILE


@dataclass(frozen=True, slots=True, kw_only=True)
class Built:
    """What a build came to. `worked` is False where everything was there already."""

    doc: DatasetDoc
    worked: bool


def build(
    config: BuildConfig, videos: str | Sequence[InputRef], out: Path, report: Reporter, command: str = ""
) -> Built:
    """Builds, resumes, extends or re-selects the data set at `out`, whichever it takes to make it what is asked for.

    Raises UserError for bad arguments (nothing is written then), for too many faults (nothing is committed then; the
    work that succeeded stays in the ledger), and where no sample came out (the outcomes are committed: they say why).
    """
    inputs = _inputs(videos, out)
    ledger = Ledger(out / LEDGER_FOLDER)
    plan = Plan.of(config, ledger)
    plan.check(runs=bool(inputs))  # what is only selected anew needs no model, unless a looser bar admits a clip
    if config.gpu_shares() and config.execution.executor == "local" and inputs:
        require_gpus(gpus_here(), "this machine")
    config_hash = plan.config_hash
    _ours(out, ledger)
    need_writable(out)
    with locked(out):
        keep_copy(config.marks, ledger.marks_folder)
        committed = _committed(out, config, config_hash, report)
        fresh = _freeze(ledger, inputs, report)
        pending = ledger.batch_numbers()
        if committed is not None:
            pending = [n for n in pending if n not in {b.number for b in committed.batches}]
        if committed is not None and not pending:
            if not (out / CARD_FILE).exists():
                write_card(out)
            return Built(doc=_some(committed, out), worked=False)
        if fresh:
            report.say(f"{fresh} new inputs")
        write_text(ledger.config_file, json.dumps(config.data_settings(), sort_keys=True))
        executor = make_executor(config)
        try:
            _measure(plan, pending, executor, report)
            _check_faults(plan, pending, out)
            report.say("assembling")
            doc = assemble(plan, out, committed, executor)
        finally:
            report.finish()
            executor.close()
    return Built(doc=_some(doc, out), worked=True)


def make_executor(config: BuildConfig) -> Executor:
    execution = config.execution
    if execution.executor == "ray":
        from pipelines.executors.ray import RayExecutor

        made = RayExecutor(address=execution.address, workers=execution.workers, retries=execution.retries)
        if config.gpu_shares():
            try:
                made.gpus()
            except UserError:
                made.close()
                raise
        return made
    from pipelines.executors.local import LocalExecutor

    return LocalExecutor(workers=execution.workers or os.cpu_count() or 1, retries=execution.retries)


def _some(doc: DatasetDoc, out: Path) -> DatasetDoc:
    if not doc.shards:
        raise UserError(
            f"{out}: no sample was kept; outcomes.parquet there says why for each input (humove outcomes {out})",
            EXIT_NO_SAMPLES,
        )
    return doc


def _inputs(videos: str | Sequence[InputRef], out: Path) -> list[InputRef]:
    """The inputs, without what lies in OUT itself."""
    if not isinstance(videos, str):
        return list(videos)
    own = out.resolve()
    inputs = [i for i in list_inputs(videos) if not Path(i.location).is_relative_to(own)]
    if not inputs:
        raise UserError(f"VIDEOS={videos}: holds nothing but the data set at {out}; name another folder")
    return inputs


def _ours(out: Path, ledger: Ledger) -> None:
    """Nobody else's files are touched, and a data set whose ledger is gone is not taken for a new one."""
    if not out.is_dir() or ledger.batch_numbers():
        return
    if (out / DATASET_FILE).exists():
        raise UserError(f"OUT={out}: holds a data set without its ledger, which can't be extended; choose another OUT")
    if any(p.name not in (LEDGER_FOLDER, ".lock") for p in out.iterdir()):
        raise UserError(f"OUT={out}: is not empty, and not a data set of this toolkit; choose a new folder")


def _committed(out: Path, config: BuildConfig, config_hash: str, report: Reporter) -> DatasetDoc | None:
    """The data set that lies there, if it was built with this very configuration, and is whole."""
    path = out / DATASET_FILE
    if not path.exists():
        return None
    doc = parse_dataset(path.read_bytes(), str(out))
    if doc.config_hash != config_hash:
        changes = differences(doc.config, config.data_settings()) or ["another version of the toolkit or its models"]
        more = f" and {len(changes) - 3} more" if len(changes) > 3 else ""
        report.say(f"{out} was built with other settings ({'; '.join(changes[:3])}{more}): all of it is selected anew")
        return None
    lost = [name for name in (INDEX_FILE, OUTCOMES_FILE) if not (out / name).exists()]
    if lost:
        report.say(f"{out} lacks {' and '.join(lost)}: all of it is assembled anew")
        return None
    return doc


def _freeze(ledger: Ledger, inputs: list[InputRef], report: Reporter) -> int:
    """Makes a batch of the inputs that no earlier batch holds; how many there are."""
    numbers = ledger.batch_numbers()
    known = {item.input_id: item.uri for number in numbers for item in ledger.batch(number)}
    fresh = [item for item in inputs if item.input_id not in known]
    replaced = {item.uri for item in fresh} & set(known.values())
    if replaced:
        report.say(f"{len(replaced)} files have changed since: old and new content both belong to the set")
    if fresh:
        ledger.freeze(numbers[-1] + 1 if numbers else 0, fresh)
    return len(fresh)


def _states(plan: Plan, pending: list[int]) -> Iterator[InputState]:
    """The inputs of the pending batches. Earlier batches are walked too: their videos make later ones duplicates."""
    seen: set[str] = set()
    for number in plan.ledger.batch_numbers():
        states = walk(plan, plan.ledger.batch(number), seen)
        if number in pending:
            yield from states
        else:
            for _ in states:
                pass


def _measure(plan: Plan, pending: list[int], executor: Executor, report: Reporter) -> None:
    """Stage by stage, runs what the ledger lacks. Faults of an earlier try are forgotten first."""
    for state in _states(plan, pending):
        _pardon(plan.ledger, state)
    _run(plan, plan.ingest_stage(), list(_ingest_works(plan, pending)), executor, report)
    _run(plan, plan.scan_stage(), list(_scan_works(plan, pending)), executor, report)
    _run(plan, plan.split_stage(), list(_split_works(plan, pending)), executor, report)
    _run(plan, plan.clip_stage(), list(_clip_works(plan, pending)), executor, report)


def _pardon(ledger: Ledger, state: InputState) -> None:
    for fault in (state.fault, *(c.fault for shot in state.shots for c in shot.clips)):
        if fault is not None:
            ledger.pardon(fault.unit_id)


def _run(plan: Plan, stage: Stage, works: list[Work], executor: Executor, report: Reporter) -> None:
    report.start(stage.name, len(works), sum(w.weight for w in works))
    if works:
        for done in executor.map(stage, works):
            outcome = done.outcome
            if isinstance(outcome, Fault):
                unit_id = done.work.unit_id.partition("/")[0]
                plan.ledger.quarantine(
                    FaultRecord(
                        unit_id=unit_id,
                        stage=outcome.stage,
                        error=outcome.error,
                        traceback=outcome.traceback,
                        config_hash=plan.config_hash,
                    )
                )
                report.say(f"fault: {done.work.label}: {outcome.stage}: {outcome.error}")
                report.advance(done.work.weight, "faulted")
            else:
                report.advance(done.work.weight, "done" if isinstance(outcome, Emit) else "rejected")
    report.finish()


def _ingest_works(plan: Plan, pending: list[int]) -> Iterator[Work]:
    for state in _states(plan, pending):
        if state.outcome == MISSING and state.stage == "ingest":
            item = state.item
            size = item.stamp.partition("-")[0]
            weight = float(size) if size.isdigit() else 1.0
            yield Work(unit_id=item.input_id, label=item.uri, weight=max(1.0, weight), payload=item)


def _scan_works(plan: Plan, pending: list[int]) -> Iterator[Work]:
    """A work for each unit that no worker has scanned yet. Units of one video share its id before the slash."""
    stage = plan.scan_stage()
    for state in _states(plan, pending):
        if state.outcome != MISSING or state.stage != "scan":
            continue
        for index, (start, end) in enumerate(state.units):
            if plan.ledger.video(state.video_id).read(part_step(index), stage.key()) is not None:
                continue
            job = ScanJob(
                item=state.item,
                video_id=state.video_id,
                probe=state.probe,
                unit=Unit(start_pts=start, end_pts=end),
                unit_index=index,
                num_units=len(state.units),
            )
            seconds = state.probe.duration_s / len(state.units)
            weight = max(1.0, seconds * float(state.probe.fps)) * state.probe.width * state.probe.height / 1e6
            yield Work(unit_id=f"{state.video_id}/{index:03d}", label=state.item.uri, weight=weight, payload=job)


def _split_works(plan: Plan, pending: list[int]) -> Iterator[Work]:
    for state in _states(plan, pending):
        if state.outcome == MISSING and state.stage in ("scan", "split"):
            job = SplitJob(
                item=state.item,
                video_id=state.video_id,
                probe=state.probe,
                num_units=len(state.units),
                split_key=plan.split_key,
            )
            weight = max(1.0, state.probe.duration_s)
            yield Work(unit_id=state.video_id, label=state.item.uri, weight=weight, payload=job)


def _clip_works(plan: Plan, pending: list[int]) -> Iterator[Work]:
    """Clips of one remote video go together up to `group_seconds`, so that it is fetched less often."""
    for state in _states(plan, pending):
        missing = [c.clip for shot in state.shots for c in shot.clips if c.outcome == MISSING]
        group: list[Clip] = []
        for clip in missing:
            group.append(clip)
            remote = is_url(state.item.location)
            if not remote or sum(map(_seconds, group)) >= plan.config.execution.group_seconds:
                yield _clip_work(plan, state, group)
                group = []
        if group:
            yield _clip_work(plan, state, group)


def _clip_work(plan: Plan, state: InputState, clips: list[Clip]) -> Work:
    def work(some: list[Clip], parts: tuple[Work, ...]) -> Work:
        payload = ClipGroup(item=state.item, probe=state.probe, scan_key=plan.scan_stage().key(), clips=tuple(some))
        label = f"{state.item.uri} {some[0].clip_id}"
        return Work(unit_id=some[0].clip_id, label=label, weight=sum(map(_frames, some)), payload=payload, parts=parts)

    return work(clips, tuple(work([clip], ()) for clip in clips) if len(clips) > 1 else ())


def _frames(clip: Clip) -> float:
    return float(clip.end_frame - clip.start_frame)


def _seconds(clip: Clip) -> float:
    return _frames(clip) / float(clip.video.fps)


def _check_faults(plan: Plan, pending: list[int], out: Path) -> None:
    """Nothing is committed while something is unsettled, or when more is faulted than the configuration bears."""
    units = faults = 0
    first = ""
    for state in _states(plan, pending):
        clips = [c for shot in state.shots for c in shot.clips]
        for outcome, fault in [(state.outcome, state.fault), *((c.outcome, c.fault) for c in clips)]:
            units += 1
            if outcome == MISSING:
                raise RuntimeError(f"{state.item.uri}: unsettled at {state.stage} after all stages have run")
            if fault is not None:
                faults += 1
                first = first or f"{state.item.uri}: {fault.stage}: {fault.error}"
    if faults > plan.config.execution.max_fault_share * units:
        raise UserError(
            f"{faults} of {units} units faulted, more than execution.max_fault_share allows; the first is {first} "
            f"(tracebacks: {out / LEDGER_FOLDER / 'quarantine'}; run the same command again to try them again)",
            EXIT_TOO_MANY_FAULTS,
        )

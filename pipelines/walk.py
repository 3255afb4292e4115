"""Where every input of a batch stands, read from the ledger: what is settled, and what is still to be done.

Planning the work and assembling the data set are the same walk, so they cannot disagree.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from humove.ids import clip_id_of
from humove.reasons import Reason
from humove.stage import Reject
from humove.types import Clip, VideoRef
from humove.video.probe import Probe
from pipelines.inputs import InputRef, changed
from pipelines.ledger import FaultRecord
from pipelines.marks import judge as judge_mark
from pipelines.plan import Plan
from pipelines.stages.clips import verdict
from pipelines.stages.ingest import IngestStage, probe_from_json
from pipelines.stages.screen import judge as judge_screen

GONE = Reject(
    reason=Reason.UNREADABLE,
    detail="its source is gone or has changed since the build first read it: restore the file, or build into a new OUT",
)
MISSING, REJECTED, FAULTED, SPLIT, KEPT = "missing", "rejected", "faulted", "split", "kept"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipState:
    """A clip; `stage` is where its way ended, or the step that is missing."""

    clip: Clip
    times: tuple[float, float]
    """Seconds from the video's first frame to the clip's first, and to its end."""
    stage: str
    outcome: str
    scores: dict[str, float]
    signature: tuple[int, ...]
    reject: Reject | None = None
    fault: FaultRecord | None = None
    mp4_bytes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ShotState:
    """A shot: split into clips, or too short for one."""

    index: int
    start_frame: int
    end_frame: int
    times: tuple[float, float]
    reject: Reject | None
    clips: tuple[ClipState, ...]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class InputState:
    """An input: the stage at which it ended or is missing, and, once split, its shots."""

    item: InputRef
    stage: str
    outcome: str
    video_id: str = ""
    reject: Reject | None = None
    fault: FaultRecord | None = None
    probe: Probe | None = None
    units: tuple[tuple[int | None, int | None], ...] = ()
    video: VideoRef | None = None
    transitions: tuple[tuple[int, int], ...] = ()
    shots: tuple[ShotState, ...] = ()


def walk(plan: Plan, items: Iterable[InputRef], seen: set[str]) -> Iterator[InputState]:
    """The state of each item, in order. `seen` holds the ids of the videos that came before, and grows.

    A second file with the same bytes is a duplicate of the first, in the order of batches and uris.
    """
    for item in items:
        yield _input(plan, item, seen)


def _input(plan: Plan, item: InputRef, seen: set[str]) -> InputState:
    record = plan.ledger.input(item.input_id).read(IngestStage.name, IngestStage.key())
    if record is None:
        return _unsettled(plan, item, "ingest", item.input_id)
    video_id = record.facts["video_id"]
    if video_id in seen:
        detail = f"the same bytes as an earlier input (video {video_id})"
        reject = Reject(reason=Reason.DUPLICATE, detail=detail)
        return InputState(item=item, stage="ingest", outcome=REJECTED, video_id=video_id, reject=reject)
    if record.reject is not None:
        return InputState(item=item, stage="ingest", outcome=REJECTED, video_id=video_id, reject=record.reject)
    seen.add(video_id)
    known = {
        "video_id": video_id,
        "probe": probe_from_json(record.facts["probe"]),
        "units": tuple(map(tuple, record.facts["units"])),
    }
    scans = plan.scan_stage()
    scanned = plan.ledger.video(video_id).read(scans.name, scans.key())
    split = plan.ledger.video(video_id).read("split", plan.split_key)
    if scanned is not None and scanned.reject is not None:
        return InputState(item=item, stage="scan", outcome=REJECTED, reject=scanned.reject, **known)
    if split is None:
        return _unsettled(plan, item, "scan" if scanned is None else "split", video_id, **known)
    return _split(plan, item, known, scanned.facts["num_frames"], split.facts)


def _unsettled(plan: Plan, item: InputRef, stage: str, unit_id: str, **known) -> InputState:
    fault = plan.ledger.fault(unit_id, plan.config_hash)
    if fault is not None:
        return InputState(item=item, stage=fault.stage, outcome=FAULTED, fault=fault, **known)
    if stage != "ingest" and changed(item):
        return InputState(item=item, stage=stage, outcome=REJECTED, reject=GONE, **known)
    return InputState(item=item, stage=stage, outcome=MISSING, **known)


def _split(plan: Plan, item: InputRef, known: dict, num_frames: int, facts: dict) -> InputState:
    probe = known["probe"]
    video = VideoRef(
        video_id=known["video_id"],
        uri=item.uri,
        width=probe.width,
        height=probe.height,
        fps=probe.fps,
        num_frames=num_frames,
        source=item.source,
        focal_35mm=probe.focal_35mm,
    )
    shots = tuple(_shot(plan, item, video, index, row) for index, row in enumerate(facts["shots"]))
    return InputState(
        item=item,
        stage="split",
        outcome=SPLIT,
        video=video,
        shots=shots,
        transitions=tuple(map(tuple, facts["transitions"])),
        **known,
    )


def _shot(plan: Plan, item: InputRef, video: VideoRef, index: int, row: dict) -> ShotState:
    reject = row["reject"] and Reject(**{**row["reject"], "reason": Reason(row["reject"]["reason"])})
    clips = tuple(_clip(plan, item, video, index, number, clip) for number, clip in enumerate(row["clips"]))
    return ShotState(
        index=index,
        start_frame=row["start"],
        end_frame=row["end"],
        times=tuple(row["times"]),
        reject=reject,
        clips=clips,
    )


def _clip(plan: Plan, item: InputRef, video: VideoRef, shot_index: int, number: int, row: dict) -> ClipState:
    clip = Clip(
        clip_id=clip_id_of(video.video_id, shot_index, number),
        video=video,
        shot_index=shot_index,
        start_frame=row["start"],
        end_frame=row["end"],
    )
    scores: dict[str, float] = dict(row["scores"])
    common = {"clip": clip, "times": tuple(row["times"]), "scores": scores, "signature": tuple(row["signature"])}
    reject = judge_mark(clip.clip_id, plan.marks, plan.config.marks)
    if reject is None and not plan.config.score_only:
        reject = judge_screen(scores, plan.config.screen)
    if reject is not None:
        return ClipState(stage="screen", outcome=REJECTED, reject=reject, **common)
    place = plan.ledger.clip(clip.clip_id)
    keys = plan.clip_keys(clip)
    record = None
    for step in plan.steps:
        record = place.read(step.name, keys[step.name])
        if record is None:
            fault = plan.ledger.fault(clip.clip_id, plan.config_hash)
            if fault is not None:
                return ClipState(stage=fault.stage, outcome=FAULTED, fault=fault, **common)
            if changed(item):
                return ClipState(stage=step.name, outcome=REJECTED, reject=GONE, **common)
            return ClipState(stage=step.name, outcome=MISSING, **common)
        scores.update(record.scores)
        reject = verdict(step, record, plan.config.score_only)
        if reject is not None:
            return ClipState(stage=step.name, outcome=REJECTED, reject=reject, **common)
    return ClipState(stage="", outcome=KEPT, mp4_bytes=record.facts["bytes"], **common)

"""Everything that is measured of a clip, in one worker and one pass over its frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from humove.errors import UserError
from humove.stage import Emit, Reject, Resources
from humove.types import Clip
from humove.video.frames import ClipFrames
from humove.video.probe import Probe
from humove.video.scan import Scan
from pipelines.executors.worker import StepError
from pipelines.fetch import local_file
from pipelines.inputs import InputRef
from pipelines.ledger import Ledger, Record
from pipelines.stages.step import ClipView, Link, Step, step_keys


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipGroup:
    """Clips of one video, near each other, so that a remote video is fetched once for all of them."""

    item: InputRef
    probe: Probe
    scan_key: str
    clips: tuple[Clip, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """How far a clip came: the step that ended its way, or "" where it was kept."""

    clip_id: str
    stage: str
    reject: Reject | None


class ClipStage:
    """ClipGroup -> records of every step, until a verdict ends the clip's way."""

    name = "annotate"
    version = "1"
    batch_size = 1

    def __init__(
        self,
        *,
        ledger: Ledger,
        scratch: Path,
        steps: list[Step],
        chain: list[Link],
        frame_settings: dict,
        score_only: bool,
        resources: Resources,
    ) -> None:
        self.ledger = ledger
        self.scratch = scratch
        self.steps = steps
        self.chain = chain
        self.frame_settings = frame_settings
        self.score_only = score_only
        self.resources = resources

    def setup(self) -> None:
        for step in self.steps:
            step.setup()

    def process(self, batch: Sequence[ClipGroup]) -> list[Emit[Finished]]:
        return [self._group(group) for group in batch]

    def _group(self, group: ClipGroup) -> Emit[Finished]:
        with local_file(group.item, self.scratch) as path:
            scan = Scan.from_arrays(self.ledger.video(group.clips[0].video.video_id).arrays("scan", group.scan_key))
            return Emit(outputs=tuple(self._clip(clip, path, group.probe, scan) for clip in group.clips))

    def _clip(self, clip: Clip, path: Path, probe: Probe, scan: Scan) -> Finished:
        view = ClipView(
            clip=clip,
            place=self.ledger.clip(clip.clip_id),
            keys=step_keys(self.chain, clip),
            open_frames=lambda: self._open(clip, path, probe, scan),
        )
        try:
            for step in self.steps:
                reject = self._step(step, view)
                if reject is not None:
                    return Finished(clip_id=clip.clip_id, stage=step.name, reject=reject)
            return Finished(clip_id=clip.clip_id, stage="", reject=None)
        finally:
            view.close()

    def _step(self, step: Step, view: ClipView) -> Reject | None:
        """The verdict of one step, from its record where there is one."""
        try:
            record = view.place.read(step.name, view.keys[step.name])
            if record is None:
                record, arrays = step.measure(view)
                view.place.write(step.name, view.keys[step.name], record, arrays)
            return verdict(step, record, self.score_only)
        except UserError:
            raise
        except Exception as e:  # only to say which step it was: the executor catches it
            raise StepError(step.name) from e

    def _open(self, clip: Clip, path: Path, probe: Probe, scan: Scan) -> ClipFrames:
        return ClipFrames(
            path,
            probe=probe,
            scan=scan,
            start_frame=clip.start_frame,
            end_frame=clip.end_frame,
            scratch=self.scratch,
            **self.frame_settings,
        )


def verdict(step: Step, record: Record, score_only: bool) -> Reject | None:
    """Preconditions always hold; thresholds only where they are not lifted."""
    if record.reject is not None:
        return record.reject
    return None if score_only else step.judge(record.scores)

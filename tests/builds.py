"""Helpers of build tests: settings, a counting reporter, rendered videos, an executor in this process."""

from collections import Counter, deque
from dataclasses import replace
from pathlib import Path

from annotators.aesthetic import THRESHOLDS as AESTHETIC
from annotators.captions.config import THRESHOLDS as CAPTION
from annotators.frame_quality.measure import THRESHOLDS as FRAME_QUALITY
from annotators.main_person import THRESHOLDS as TRACK
from annotators.motion_quality.config import THRESHOLDS as QUALITY
from pipelines.config import BuildConfig, load_config
from pipelines.engine.executors.task import Task, TaskResult
from pipelines.engine.executors.worker_process import run_task
from pipelines.engine.plan import STAGES, VIDEO_STAGES
from pipelines.jobs.build import BuildResult, build
from pipelines.samples.catalogue import list_samples
from pipelines.samples.film import Film
from pipelines.samples.maker import render_sample
from pipelines.stages.pose2d import THRESHOLDS as POSE2D
from pipelines.stages.screen import THRESHOLDS as SCREEN

SETTINGS = ["execution.workers=2", "shards.max_samples=2"]
STAGE_THRESHOLDS = (SCREEN, TRACK, FRAME_QUALITY, AESTHETIC, POSE2D, QUALITY, CAPTION)
"""The thresholds of all stages, in order."""


class CountingReporter:
    """A reporter that counts what ran: by stage and step, and as `annotate` the clips that any step ran on."""

    def __init__(self) -> None:
        self.works: Counter = Counter()
        self.lines: list[str] = []
        self.videos = self.clips = self.kept = 0

    def begin(self, videos: int, done: int) -> None:
        self.videos = done

    def start(self, stage: str, items: int, weight: float) -> None:
        self.works[stage] += items

    def advance(self, *counts) -> None:
        if len(counts) != 4:
            return
        videos, clips, kept, measured = counts
        self.videos, self.clips, self.kept = self.videos + videos, self.clips + clips, self.kept + kept
        self.works.update(measured)
        steps = [name for name in STAGES if name not in VIDEO_STAGES]
        self.works["annotate"] = max(self.works[name] for name in steps)

    def set_activity(self, text: str) -> None: ...

    def finish(self) -> None: ...

    def say(self, line: str) -> None:
        self.lines.append(line)


class InProcessExecutor:
    """An executor that runs tasks in this process, where tests can inject failures."""

    def __init__(self, retries: int = 1) -> None:
        self.retries = retries
        self.tasks: deque[Task] = deque()
        self.ready: set[str] = set()

    def count_slots(self) -> int:
        return 1

    def submit(self, task: Task) -> None:
        self.tasks.append(task)

    def wait(self, timeout_s: float | None = None) -> list[TaskResult]:
        if not self.tasks:
            return []
        task = self.tasks.popleft()
        if task.stage.name not in self.ready:
            task.stage.setup()
            self.ready.add(task.stage.name)
        return [TaskResult(task=task, result=run_task(task.stage, task.payload, 0, self.retries))]

    def close(self) -> None: ...


def load_test_config(*overrides: str) -> BuildConfig:
    return load_config("local", [*SETTINGS, *overrides])


def run_build(videos: Path | list, out: Path, *overrides: str) -> tuple[BuildResult, CountingReporter]:
    reporter = CountingReporter()
    built = build(load_test_config(*overrides), videos if isinstance(videos, list) else str(videos), out, reporter)
    return built, reporter


def render_film(motion: str, frames: int = 54, seed: int = 1) -> Film:
    """Render a person from the front, from the sample catalogue."""
    shot = next(s for s in list_samples("demo") if s.motion == motion)
    return render_sample(replace(shot, frames=frames, seed=seed))

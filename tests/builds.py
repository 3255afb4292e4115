"""What the tests of builds share: settings, a counting reporter, rendered videos, an executor in this process."""

from collections import Counter, deque
from dataclasses import replace
from pathlib import Path

from annotators.aesthetic import BARS as AESTHETIC_BARS
from annotators.captions.config import BARS as CAPTION_BARS
from annotators.main_person import BARS as TRACK_BARS
from annotators.motion_quality import BARS as QUALITY_BARS
from annotators.picture.measure import BARS as PICTURE_BARS
from pipelines.config import BuildConfig, load_config
from pipelines.engine.plan import STAGES, VIDEO_STAGES
from pipelines.engine.task import Done, Task
from pipelines.engine.worker_process import run_task
from pipelines.jobs.build import Built, build
from pipelines.samples.catalogue import shots
from pipelines.samples.film import Film
from pipelines.samples.maker import film_of
from pipelines.stages.pose2d import BARS as POSE2D_BARS
from pipelines.stages.screen import BARS as SCREEN_BARS

SETTINGS = ["execution.workers=2", "shards.max_samples=2"]
STAGE_BARS = (SCREEN_BARS, TRACK_BARS, PICTURE_BARS, AESTHETIC_BARS, POSE2D_BARS, QUALITY_BARS, CAPTION_BARS)
"""Every threshold that a clip can be held against, in the order of the stages."""


class Quiet:
    """A reporter that only counts what was run: by stage and step, and as `annotate` the clips that a step ran on."""

    def __init__(self) -> None:
        self.works: Counter = Counter()
        self.said: list[str] = []
        self.videos = self.clips = self.kept = 0

    def begin(self, videos: int, done: int) -> None:
        self.videos = done

    def start(self, stage: str, items: int, weight: float) -> None:
        self.works[stage] += items

    def advance(self, *what) -> None:
        if len(what) != 4:
            return
        videos, clips, kept, measured = what
        self.videos, self.clips, self.kept = self.videos + videos, self.clips + clips, self.kept + kept
        self.works.update(measured)
        steps = [name for name in STAGES if name not in VIDEO_STAGES]
        self.works["annotate"] = max(self.works[name] for name in steps)

    def set_activity(self, text: str) -> None: ...

    def finish(self) -> None: ...

    def say(self, line: str) -> None:
        self.said.append(line)


class InProcess:
    """Runs tasks in this process, where a test can break them."""

    def __init__(self, retries: int = 1) -> None:
        self.retries = retries
        self.tasks: deque[Task] = deque()
        self.ready: set[str] = set()

    def slots(self) -> int:
        return 1

    def submit(self, task: Task) -> None:
        self.tasks.append(task)

    def wait(self, timeout_s: float | None = None) -> list[Done]:
        if not self.tasks:
            return []
        task = self.tasks.popleft()
        if task.stage.name not in self.ready:
            task.stage.setup()
            self.ready.add(task.stage.name)
        return [Done(task=task, result=run_task(task.stage, task.payload, 0, self.retries))]

    def close(self) -> None: ...


def config(*overrides: str) -> BuildConfig:
    return load_config("local", [*SETTINGS, *overrides])


def run(videos: Path | list, out: Path, *overrides: str) -> tuple[Built, Quiet]:
    quiet = Quiet()
    built = build(config(*overrides), videos if isinstance(videos, list) else str(videos), out, quiet)
    return built, quiet


def film(motion: str, frames: int = 54, seed: int = 1) -> Film:
    """A frontal rendered person, from the sample maker's catalogue."""
    shot = next(s for s in shots("demo") if s.motion == motion)
    return film_of(replace(shot, frames=frames, seed=seed))

"""What the tests of builds share: settings, a counting reporter, rendered videos."""

from collections import Counter
from dataclasses import replace
from pathlib import Path

from pipelines.build import Built, build
from pipelines.config import BuildConfig, load_config
from pipelines.samples.catalogue import shots
from pipelines.samples.film import Film
from pipelines.samples.maker import film_of

SETTINGS = ["execution.workers=2", "shards.max_samples=2"]


class Quiet:
    """A reporter that only counts what each stage was given to do."""

    def __init__(self) -> None:
        self.works: Counter = Counter()
        self.said: list[str] = []

    def start(self, stage: str, items: int, weight: float) -> None:
        self.works[stage] += items

    def advance(self, weight: float, outcome: str) -> None: ...

    def finish(self) -> None: ...

    def say(self, line: str) -> None:
        self.said.append(line)


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

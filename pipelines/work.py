"""What an executor is given and what it gives back."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from humove.stage import Emit, Reject, Stage


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """One item for one stage."""

    unit_id: str
    label: str
    """What people call it: a uri, a clip id."""
    weight: float
    """How long it takes, in any unit that is the same for all items of the stage; the longest go first."""
    payload: object
    """The stage's input."""
    parts: tuple["Work", ...] = ()
    """The same work in smaller pieces, so that a fault in one of them leaves the others unharmed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """An exception that the stage did not expect: ours to mend, never a property of the data."""

    stage: str
    error: str
    traceback: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of one item."""

    work: Work
    outcome: Emit | Reject | Fault


class Executor(Protocol):
    """Runs a stage over items, anywhere. Results come in any order; no item is lost."""

    def map(self, stage: Stage, works: Sequence[Work]) -> Iterator[Done]:
        """One Done for each item, or, where an item was taken apart after a fault, one for each of its parts."""

    def gpus(self) -> float:
        """Those that workers can be given. UserError where there is none."""

    def close(self) -> None:
        """Ends the workers."""


def longest_first(works: Sequence[Work]) -> list[Work]:
    """The order that leaves the shortest tail; ties go by id, so that it is the same everywhere."""
    return sorted(works, key=lambda w: (-w.weight, w.unit_id))

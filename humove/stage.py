"""What an annotator is, what a worker occupies, and why an input is rejected."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from humove.reasons import Reason

In = TypeVar("In", contravariant=True)
Annotation = TypeVar("Annotation")

Rights = Literal["permissive", "agpl", "non-commercial"]
"""What an annotator's code and weights allow: anything; anything whose source is open; research."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """What one worker of a stage occupies: whole or fractional CPUs and GPUs."""

    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """One input did not meet the bar: which bar, and by how much.

    `score` and `threshold` are None where the reason has no scale (an unreadable file); `detail` is for people.
    """

    reason: Reason
    detail: str
    score: float | None = None
    threshold: float | None = None
    scores: dict[str, float] = field(default_factory=dict)


class Annotator(Protocol[In, Annotation]):
    """One model behind one annotation. Heavy imports happen in `load`."""

    name: str
    version: str
    licence: str
    """Of its code and its weights, as far as it is known."""
    rights: Rights
    cpu_only: bool
    """Whether a GPU is of no use to it. One that can use a GPU has the attribute `network`, the part of it that runs
    there (annotators.network.Network)."""
    weights: tuple[str, ...]
    """Names of rows in the weights table (annotators/weights.yaml). Files that the user names are in its settings, and
    must all be named, but for those that the attribute `optional_weights` lists; other settings that may not be empty
    are in the attribute `required`."""

    def load(self, device: str) -> None:
        """Reads the weights; `device` is "cpu" or "cuda". One with a `network` takes another in its place as a second,
        optional argument: a client of that network, where it runs in another process."""

    def annotate(self, batch: Sequence[In]) -> list[Annotation | Reject]:
        """One annotation, or the reason why there is none, for each input, in order."""

"""The interface of annotators, a worker's resources, and rejections."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, TypeVar

from humove.reasons import Reason

In = TypeVar("In", contravariant=True)
Annotation = TypeVar("Annotation")

Rights = Literal["permissive", "agpl", "non-commercial"]
"""What the licences of an annotator's code and weights allow: any use; use in open-source code; research."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resources:
    """CPUs and GPUs that one worker of a stage occupies, whole or fractional."""

    cpus: float = 1.0
    gpus: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """The rejection of one input: the reason, and the score and threshold that decided.

    `score` and `threshold` are None where the reason has no scale (an unreadable file); `detail` is shown to people.
    """

    reason: Reason
    detail: str
    score: float | None = None
    threshold: float | None = None
    scores: dict[str, float] = field(default_factory=dict)


class Annotator(Protocol[In, Annotation]):
    """A model that produces one kind of annotation. Heavy imports happen in `load`."""

    name: str
    version: str
    licence: str
    """The licence of its code and weights, as far as it is known."""
    rights: Rights
    cpu_only: bool
    """True where a GPU does not help. An annotator that can use a GPU has the attribute `network`, the part that runs
    on it (annotators.network.Network)."""
    weights: tuple[str, ...]
    """Names of rows in the weights table (annotators/weights/weights.yaml). Files that the user provides are named in
    its settings, and all are required except those in the attribute `optional_weights`; other settings that must not
    be empty are in the attribute `required`."""

    def load(self, device: str) -> None:
        """Read the weights; `device` is "cpu" or "cuda". An annotator with a `network` takes a replacement as a second,
        optional argument: a client of that network, where it runs in another process."""

    def annotate(self, batch: Sequence[In]) -> list[Annotation | Reject]:
        """Return an annotation or a rejection for each input, in order."""

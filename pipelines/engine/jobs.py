"""What a worker is asked to do: a short video as a whole, or one part of a long one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from humove.types import Clip
from humove.video.probe import Probe
from humove.video.scan import Unit
from pipelines.inputs.reference import InputRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Mp4Place:
    """Where an encoded clip lies: a span of a file of the set itself (origin ""), or of another one."""

    origin: str
    file: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoJob:
    """Everything that is missing of one video. Of a long one only what it is: its parts are jobs of their own."""

    item: InputRef
    clip_ids: frozenset[str] | None = None
    """The clips to work on; None: all that the thresholds admit."""
    origins: tuple[str, ...] = ()
    """The data sets that have measured some of this before, the nearest first."""
    encoded: Mapping[str, "Mp4Place"] = field(default_factory=dict)
    """Where the encoded video of a clip lies, where it is in a shard, or in another data set."""
    known_ids: frozenset[str] = frozenset()
    """Ids of earlier inputs of the same size: where this one is the same file, no more is done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanJob:
    """One span of a long video."""

    item: InputRef
    probe: Probe
    unit: Unit
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitJob:
    """A long video whose spans are all scanned."""

    item: InputRef
    probe: Probe
    num_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipGroup:
    """Clips whose records lie in one file."""

    index: int
    clips: tuple[tuple[Clip, Mapping], ...]
    """Each clip, and what the split says of it: index, times, scores, signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipsJob:
    """Neighbouring clips of a long video, in groups that are saved one by one."""

    item: InputRef
    probe: Probe
    groups: tuple["ClipGroup", ...]
    """One; of a file without timestamps all, since it is decoded from its beginning on."""
    origins: tuple[str, ...] = ()
    encoded: Mapping[str, "Mp4Place"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeJob:
    """A long video whose clips are all measured: their records go into its one file."""

    item: InputRef
    indices: tuple[int, ...]


Job = VideoJob | ScanJob | SplitJob | ClipsJob | MergeJob


@dataclass(slots=True, kw_only=True)
class JobResult:
    """Rows of the state table, as dicts by column."""

    videos: list[dict] = field(default_factory=list)
    clips: list[dict] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """What is to be said: a fault in one line."""
    is_long: bool = False
    """The video was split, and its clips are so many that they are jobs of their own."""
    measured: Counter[str] = field(default_factory=Counter)
    """How often each stage and step has run: nothing, where all was measured before."""

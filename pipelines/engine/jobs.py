"""The jobs of workers: a short video as a whole, or one part of a long one; and their results."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from humove.types import Clip
from humove.video.probe import Probe
from humove.video.scan import ScanUnit
from pipelines.inputs.reference import InputRef


@dataclass(frozen=True, slots=True, kw_only=True)
class Mp4Place:
    """The place of an encoded clip: a span of a file of this data set (origin "") or of another one."""

    origin: str
    file: str
    offset: int
    size: int


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoJob:
    """All missing work on one video; for a long video ingest and split only, since its parts get jobs of their own."""

    item: InputRef
    clip_ids: frozenset[str] | None = None
    """The clips to work on; None: all that the thresholds admit."""
    origins: tuple[str, ...] = ()
    """The data sets that hold earlier records of this video, the nearest first."""
    encoded: Mapping[str, "Mp4Place"] = field(default_factory=dict)
    """By clip id: the place of an encoded video that is in a shard or in another data set."""
    known_ids: frozenset[str] = frozenset()
    """Ids of earlier inputs of the same size: where this is the same file, the job ends after ingest."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanJob:
    """One span of a long video."""

    item: InputRef
    probe: Probe
    unit: ScanUnit
    index: int


@dataclass(frozen=True, slots=True, kw_only=True)
class SplitJob:
    """A long video whose spans are all scanned."""

    item: InputRef
    probe: Probe
    num_units: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipGroup:
    """Clips whose records share one file."""

    index: int
    clips: tuple[tuple[Clip, Mapping], ...]
    """Each clip and its facts from the split: index, times, scores, signature."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipsJob:
    """Neighbouring clips of a long video, in groups that are saved one by one."""

    item: InputRef
    probe: Probe
    groups: tuple["ClipGroup", ...]
    """One; all groups for a file without timestamps, which is decoded from its beginning."""
    origins: tuple[str, ...] = ()
    encoded: Mapping[str, "Mp4Place"] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeJob:
    """A long video whose clips are all measured: their records are merged into one file."""

    item: InputRef
    indices: tuple[int, ...]


Job = VideoJob | ScanJob | SplitJob | ClipsJob | MergeJob


@dataclass(slots=True, kw_only=True)
class JobResult:
    """Rows of the state table, as dicts by column."""

    videos: list[dict] = field(default_factory=list)
    clips: list[dict] = field(default_factory=list)
    lines: list[str] = field(default_factory=list)
    """Messages for the user: a fault in one line."""
    is_long: bool = False
    """Whether the video was split and its clips get jobs of their own."""
    measured: Counter[str] = field(default_factory=Counter)
    """The number of runs of each stage and step; empty where all was measured before."""

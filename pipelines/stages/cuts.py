"""Where a video is cut: its shots, the fades and dissolves between them, and the clips that the shots give.

scenedetect proposes cuts, generously; motion-compensated measures refuse those that movement or light explains. Or a
network says where a shot changes, and only flashes are refused. Everything here is a function of the scan's series, so
that changed settings need no decode. Of a stored scan the pictures are read as they are needed, in order.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from annotators.transnetv2.config import TransNetV2Config
from humove.config import Strict
from humove.video.measure import mismatch
from humove.video.scan import Scan
from humove.video.scan_store import StoredScan
from pipelines.stages.learned_cuts import boundaries
from pipelines.stages.proposals import propose_cuts
from pipelines.stages.transitions import Span, TransitionConfig, find_transitions

_AROUND = 8
"""Frames on each side that a jump is compared with."""
_RANK = 3
"""The neighbour it must stand out from: the third strongest, as one or two more cuts may lie near."""
_LIT = 0.04
"""Mean brightness, of 1, that a flash adds or takes away at least..."""
_BLINK = 2
"""... if it lasts for more frames than this: nobody cuts to another picture for so short a time."""
_BLOCK = 1 << 16
"""Frames whose neighbours are looked at together."""
_SURE = 14.0
"""Grey levels: thumbs that differ by this much show different pictures."""


class SplitConfig(Strict):
    """How a video is split into shots, and shots into clips."""

    detector: Literal["scenedetect", "transnetv2"] = Field(
        "scenedetect",
        description="scenedetect and measures of motion, which the settings from content_threshold to min_leap and"
        " transitions are of; or the network TransNetV2, 28 CPU ms a frame more (make setup EXTRAS=cuts)",
    )
    transnetv2: TransNetV2Config = TransNetV2Config()
    content_threshold: float = Field(
        2.0,
        gt=0,
        description="scenedetect's ContentDetector proposes a cut where brightness changes by at least this much (mean"
        " over the picture, grey levels of 255); all that follows only refuses proposals",
    )
    min_jump: float = Field(
        3.0, gt=0, description="a cut changes the picture by at least this much, beyond motion (grey levels of 255)"
    )
    min_peak: float = Field(
        1.5, gt=1, description="a cut stands out from the frames around it by this factor; lower finds fainter cuts"
    )
    min_leap: float = Field(
        2.7, gt=1, description="where motion could explain a change, it is a cut if it is this much faster than around"
    )
    max_flash_s: float = Field(
        0.2, ge=0, description="seconds: a change of light after which the picture returns so soon is a flash, no cut"
    )
    max_gap_s: float = Field(1.0, gt=0, description="seconds: a longer hole between two timestamps is a cut")
    transitions: TransitionConfig = Field(TransitionConfig(), description="fades and dissolves")
    min_seconds: float = Field(1.5, gt=0, description="a clip is at least this long")
    max_seconds: float = Field(10.0, gt=0, description="a clip is at most this long; longer shots give several clips")

    @model_validator(mode="after")
    def _lengths(self) -> "SplitConfig":
        if self.max_seconds < 2 * self.min_seconds:
            raise ValueError(
                f"max_seconds ({self.max_seconds}) must be at least twice min_seconds ({self.min_seconds}),"
                " so that every longer shot can be divided"
            )
        return self


@dataclass(frozen=True, slots=True, kw_only=True)
class Shot:
    """The frames start_frame to end_frame (exclusive) between two cuts."""

    index: int
    start_frame: int
    end_frame: int


def _per_frame(series: np.ndarray, scan: Scan | StoredScan, fps: Fraction, time_base: Fraction) -> np.ndarray:
    """(N,) float32: a change from frame to frame, for one frame's time where timestamps leave some out."""
    steps = np.diff(scan.pts, prepend=scan.pts[:1]) * float(time_base * fps)
    return series / np.maximum(1.0, np.round(steps)).astype(np.float32)


def _peaks(jump: np.ndarray) -> np.ndarray:
    """(N,) float32: each frame's jump over the third strongest within _AROUND frames (one grey level added)."""
    padded = np.pad(jump, _AROUND)
    third = np.empty_like(jump)
    for begin in range(0, len(jump), _BLOCK):
        count = min(_BLOCK, len(jump) - begin)
        shifts = (begin + k for k in range(2 * _AROUND + 1) if k != _AROUND)
        around = np.stack([padded[shift : shift + count] for shift in shifts])
        third[begin : begin + count] = np.sort(around, axis=0)[-_RANK]
    return jump / (third + 1)


def _hard_cuts(
    scan: Scan | StoredScan, fps: Fraction, time_base: Fraction, config: SplitConfig, told: list[int] | None
) -> list[int]:
    """The frames that start a new shot at once; `told` are those that a network says, if one was asked."""
    proposed = np.zeros(scan.num_frames, bool)
    proposed[propose_cuts(scan.thumb, fps, config.content_threshold)] = True
    found = _standing_out(scan, fps, time_base, config, proposed) if told is None else told
    gaps = np.diff(scan.pts) * float(time_base) > config.max_gap_s
    lit = _flashes(scan, proposed, found, max(1, round(config.max_flash_s * fps)))
    return sorted({frame for frame in found if frame not in lit} | set((np.flatnonzero(gaps) + 1).tolist()))


def _standing_out(
    scan: Scan | StoredScan, fps: Fraction, time_base: Fraction, config: SplitConfig, proposed: np.ndarray
) -> list[int]:
    """The proposed cuts that neither motion nor what goes on around them explains."""
    jump = _per_frame(scan.mismatch, scan, fps, time_base)
    leap = _per_frame(scan.difference, scan, fps, time_base)
    stands_out = (jump >= config.min_jump) & (_peaks(jump) >= config.min_peak)
    leaps = (leap >= 2 * config.min_jump) & (_peaks(leap) >= config.min_leap)
    found = np.flatnonzero(proposed & (stands_out | leaps))
    return found[found > 0].tolist()


def _flashes(scan: Scan | StoredScan, proposed: np.ndarray, found: list[int], longest: int) -> set[int]:
    """The cuts in `found` that belong to flashes: brighter or darker for a moment, then the same picture again.

    `found` is ascending. `proposed` (N,) bool: frames that differ from the one before, whether or not they stand out.
    """
    lit: set[int] = set()
    for cut in found:
        if cut in lit:
            continue
        begins = [frame for frame in range(max(1, cut - longest), cut + 1) if proposed[frame]]
        span = next((span for frame in begins if (span := _flash(scan, frame, longest)) and cut < span[1] + 1), None)
        if span is not None:
            lit.update(found[bisect_left(found, span[0]) : bisect_right(found, span[1])])
    return lit


def _flash(scan: Scan | StoredScan, begin: int, longest: int) -> tuple[int, int] | None:
    """The flash that starts with frame `begin` as (begin, first frame after it), if one does."""
    before = scan.thumb[begin - 1]
    shift = np.abs(scan.luma[begin : begin + longest] - scan.luma[begin - 1])
    ends = range(begin + 1, min(begin + longest + 1, scan.num_frames))
    ends = [after for after in ends if after - begin <= _BLINK or shift[: after - begin].max() >= _LIT]
    if not ends:
        return None
    out = max(mismatch(before, scan.thumb[frame]) for frame in range(begin, min(begin + 2, scan.num_frames)))
    for after in ends:
        back = mismatch(before, scan.thumb[after])
        if back < out / 2 and back < _SURE:
            return begin, after
    return None


def find_shots(
    scan: Scan | StoredScan, fps: Fraction, time_base: Fraction, config: SplitConfig, answers: np.ndarray | None = None
) -> tuple[list[Shot], list[Span]]:
    """The shots in order, and the fades and dissolves, whose frames belong to no shot; together they tile the video.

    A shot starts on the first frame of the new picture. `fps` and `time_base` are the probe's. `answers` (N, 2) are
    TransNetV2's, where it is the detector.
    """
    if answers is None:
        cuts = _hard_cuts(scan, fps, time_base, config, None)
        soft = find_transitions(scan, cuts, fps, config.transitions)
    else:
        told, soft = boundaries(answers, config.transnetv2.threshold)
        cuts = _hard_cuts(scan, fps, time_base, config, told)
    edges = {0, scan.num_frames}
    begins = [span.start for span in soft]
    edges.update(cut for cut in cuts if not _inside(cut, soft, begins))
    edges.update(edge for span in soft for edge in (span.start, span.end))
    blended = {span.start for span in soft}
    ordered = sorted(edges)
    spans = [(a, b) for a, b in zip(ordered, ordered[1:], strict=False) if a not in blended]
    return [Shot(index=i, start_frame=a, end_frame=b) for i, (a, b) in enumerate(spans)], soft


def _inside(cut: int, spans: Sequence[Span], begins: Sequence[int]) -> bool:
    """Whether the cut lies in one of the spans, which are apart and in order, or at an edge of one."""
    at = bisect_right(begins, cut) - 1
    return at >= 0 and cut <= spans[at].end


def frame_times(scan: Scan | StoredScan, fps: Fraction, time_base: Fraction) -> np.ndarray:
    """(N + 1,) float64 seconds from the first frame to each frame, and to the end of the last."""
    times = (scan.pts - scan.pts[0]) * float(time_base)
    return np.append(times, times[-1] + 1 / float(fps))


def nearest_indices(ascending: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """(K,) int64: for each wanted value the index of the nearest of the ascending ones, the first where several are."""
    after = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(ascending[before] - wanted) <= np.abs(ascending[after] - wanted)
    return np.searchsorted(ascending, ascending[np.where(nearer, before, after)])


def plan_clips(shot: Shot, times: np.ndarray, config: SplitConfig) -> list[tuple[int, int]]:
    """The clips of one shot: (start_frame, end_frame) spans that tile it, as equal and as few as max_seconds allows.

    Empty where the shot is shorter than min_seconds. `times` is `frame_times`.
    """
    begin, end = float(times[shot.start_frame]), float(times[shot.end_frame])
    if end - begin < config.min_seconds - 1e-9:
        return []
    frames = shot.end_frame - shot.start_frame
    edges = [shot.start_frame, shot.end_frame]  # a few frames before a long hole in time can't be divided enough
    for pieces in range(max(1, int(np.ceil((end - begin) / config.max_seconds - 1e-9))), frames + 1):
        wanted = begin + (end - begin) * np.arange(1, pieces) / pieces
        inner = nearest_indices(times[shot.start_frame : shot.end_frame + 1], wanted) + shot.start_frame
        edges = [shot.start_frame, *inner.tolist(), shot.end_frame]
        lengths = np.diff(times[edges])
        if lengths.max() <= config.max_seconds + 1e-9 or lengths.min() < config.min_seconds:
            break
    return [
        (a, b)
        for a, b in zip(edges, edges[1:], strict=False)
        if config.min_seconds - 1e-9 <= times[b] - times[a] <= config.max_seconds + 1e-9
    ]

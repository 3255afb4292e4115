"""The shots of a video, the fades and dissolves between them, and the clips of each shot.

scenedetect proposes many cuts; motion-compensated measures reject those that movement or light explains. Or a network
detects cuts, and only flashes are rejected. Everything here is a function of the scan's series, so that changed
settings need no decode. Frames of a stored scan are read on demand, in order.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from pydantic import Field, model_validator

from annotators.transnetv2.config import TransNetV2Config
from humove.config.strict import Strict
from humove.video.measure import compute_mismatch
from humove.video.scan import Scan
from humove.video.scan_store import StoredScan
from pipelines.stages.shots.learned_cuts import find_boundaries
from pipelines.stages.shots.proposals import propose_cuts
from pipelines.stages.shots.transitions import Span, TransitionConfig, find_transitions

_NEIGHBOURS = 8
"""Frames on each side with which a jump is compared."""
_RANK = 3
"""A jump is compared with the third strongest neighbour, as one or two more cuts may be near."""
_FLASH_LIGHT = 0.04
"""Minimum change of mean brightness, of 1, by a flash..."""
_SHORT_FLASH = 2
"""... of more frames than this: no shot is shorter."""
_BLOCK = 1 << 16
"""Frames whose neighbours are compared at once."""
_CERTAIN_CHANGE = 14.0
"""Grey levels: thumbs that differ by this much show different scenes."""


class SplitConfig(Strict):
    """Splitting of a video into shots, and of shots into clips."""

    detector: Literal["scenedetect", "transnetv2"] = Field(
        "scenedetect",
        description="scenedetect and measures of motion, to which content_threshold to min_leap and transitions apply;"
        " or the network TransNetV2, 28 CPU ms more per frame (make setup EXTRAS=cuts)",
    )
    transnetv2: TransNetV2Config = TransNetV2Config()
    content_threshold: float = Field(
        2.0,
        gt=0,
        description="scenedetect's ContentDetector proposes a cut where brightness changes by at least this much (mean"
        " over the frame, grey levels of 255); the other settings only reject proposals",
    )
    min_jump: float = Field(
        3.0, gt=0, description="a cut changes the frame by at least this much, beyond motion (grey levels of 255)"
    )
    min_peak: float = Field(
        1.5, gt=1, description="a cut stands out from the frames around it by this factor; lower finds fainter cuts"
    )
    min_leap: float = Field(
        2.7,
        gt=1,
        description="a change that motion could explain is a cut if it is this many times faster than around it",
    )
    max_flash_s: float = Field(
        0.2,
        ge=0,
        description="seconds: a change of light after which the scene returns this soon is a flash, not a cut",
    )
    max_gap_s: float = Field(1.0, gt=0, description="seconds: a longer gap between two timestamps is a cut")
    transitions: TransitionConfig = Field(TransitionConfig(), description="fades and dissolves")
    min_seconds: float = Field(1.5, gt=0, description="minimum length of a clip, seconds")
    max_seconds: float = Field(10.0, gt=0, description="maximum length of a clip, seconds; longer shots give several")

    @model_validator(mode="after")
    def _check_lengths(self) -> "SplitConfig":
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


def _divide_by_steps(series: np.ndarray, scan: Scan | StoredScan, fps: Fraction, time_base: Fraction) -> np.ndarray:
    """Divide a change from frame to frame by the frames that timestamps skip: (N,) float32."""
    steps = np.diff(scan.pts, prepend=scan.pts[:1]) * float(time_base * fps)
    return series / np.maximum(1.0, np.round(steps)).astype(np.float32)


def _compute_peak_ratios(jump: np.ndarray) -> np.ndarray:
    """Divide each jump by the third strongest within _NEIGHBOURS frames, plus one grey level: (N,) float32."""
    padded = np.pad(jump, _NEIGHBOURS)
    third = np.empty_like(jump)
    for begin in range(0, len(jump), _BLOCK):
        count = min(_BLOCK, len(jump) - begin)
        shifts = (begin + k for k in range(2 * _NEIGHBOURS + 1) if k != _NEIGHBOURS)
        around = np.stack([padded[shift : shift + count] for shift in shifts])
        third[begin : begin + count] = np.sort(around, axis=0)[-_RANK]
    return jump / (third + 1)


def _find_hard_cuts(
    scan: Scan | StoredScan, fps: Fraction, time_base: Fraction, config: SplitConfig, detected: list[int] | None
) -> list[int]:
    """Find the frames that start a new shot by a hard cut; `detected` are those of a network, if there is one."""
    proposed = np.zeros(scan.num_frames, bool)
    proposed[propose_cuts(scan.thumb, fps, config.content_threshold)] = True
    found = _select_cuts(scan, fps, time_base, config, proposed) if detected is None else detected
    gaps = np.diff(scan.pts) * float(time_base) > config.max_gap_s
    flash_cuts = _find_flash_cuts(scan, proposed, found, max(1, round(config.max_flash_s * fps)))
    return sorted({frame for frame in found if frame not in flash_cuts} | set((np.flatnonzero(gaps) + 1).tolist()))


def _select_cuts(
    scan: Scan | StoredScan, fps: Fraction, time_base: Fraction, config: SplitConfig, proposed: np.ndarray
) -> list[int]:
    """Select the proposed cuts that motion and the frames around them do not explain."""
    jump = _divide_by_steps(scan.mismatch, scan, fps, time_base)
    leap = _divide_by_steps(scan.difference, scan, fps, time_base)
    stands_out = (jump >= config.min_jump) & (_compute_peak_ratios(jump) >= config.min_peak)
    leaps = (leap >= 2 * config.min_jump) & (_compute_peak_ratios(leap) >= config.min_leap)
    found = np.flatnonzero(proposed & (stands_out | leaps))
    return found[found > 0].tolist()


def _find_flash_cuts(scan: Scan | StoredScan, proposed: np.ndarray, found: list[int], longest: int) -> set[int]:
    """Find the cuts in `found` that belong to flashes: a brief change of light, then the same scene again.

    `found` is ascending. `proposed` (N,) bool: frames that differ from the one before, whether or not they are cuts.
    """
    flash_cuts: set[int] = set()
    for cut in found:
        if cut in flash_cuts:
            continue
        begins = [frame for frame in range(max(1, cut - longest), cut + 1) if proposed[frame]]
        span = next(
            (span for frame in begins if (span := _find_flash(scan, frame, longest)) and cut < span[1] + 1), None
        )
        if span is not None:
            flash_cuts.update(found[bisect_left(found, span[0]) : bisect_right(found, span[1])])
    return flash_cuts


def _find_flash(scan: Scan | StoredScan, begin: int, longest: int) -> tuple[int, int] | None:
    """Find the flash that starts with frame `begin`, as (begin, first frame after it)."""
    before = scan.thumb[begin - 1]
    shift = np.abs(scan.luma[begin : begin + longest] - scan.luma[begin - 1])
    ends = range(begin + 1, min(begin + longest + 1, scan.num_frames))
    ends = [after for after in ends if after - begin <= _SHORT_FLASH or shift[: after - begin].max() >= _FLASH_LIGHT]
    if not ends:
        return None
    out = max(compute_mismatch(before, scan.thumb[frame]) for frame in range(begin, min(begin + 2, scan.num_frames)))
    for after in ends:
        back = compute_mismatch(before, scan.thumb[after])
        if back < out / 2 and back < _CERTAIN_CHANGE:
            return begin, after
    return None


def find_shots(
    scan: Scan | StoredScan, fps: Fraction, time_base: Fraction, config: SplitConfig, scores: np.ndarray | None = None
) -> tuple[list[Shot], list[Span]]:
    """Find the shots, and the fades and dissolves, whose frames belong to no shot; together they tile the video.

    A shot starts on the first frame of the new scene. `fps` and `time_base` are the probe's. `scores` (N, 2) are
    TransNetV2's, if it is the detector.
    """
    if scores is None:
        cuts = _find_hard_cuts(scan, fps, time_base, config, None)
        soft = find_transitions(scan, cuts, fps, config.transitions)
    else:
        detected, soft = find_boundaries(scores, config.transnetv2.threshold)
        cuts = _find_hard_cuts(scan, fps, time_base, config, detected)
    edges = {0, scan.num_frames}
    begins = [span.start for span in soft]
    edges.update(cut for cut in cuts if not _is_inside(cut, soft, begins))
    edges.update(edge for span in soft for edge in (span.start, span.end))
    blended = {span.start for span in soft}
    ordered = sorted(edges)
    spans = [(a, b) for a, b in zip(ordered, ordered[1:], strict=False) if a not in blended]
    return [Shot(index=i, start_frame=a, end_frame=b) for i, (a, b) in enumerate(spans)], soft


def _is_inside(cut: int, spans: Sequence[Span], begins: Sequence[int]) -> bool:
    """Check if the cut lies in a span or at its edge; spans are disjoint and in order."""
    index = bisect_right(begins, cut) - 1
    return index >= 0 and cut <= spans[index].end


def compute_frame_times(scan: Scan | StoredScan, fps: Fraction, time_base: Fraction) -> np.ndarray:
    """Compute the seconds from the first frame to each frame, and to the end of the last: (N + 1,) float64."""
    times = (scan.pts - scan.pts[0]) * float(time_base)
    return np.append(times, times[-1] + 1 / float(fps))


def find_nearest_indices(ascending: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Find the index of the nearest ascending value for each wanted one, the first of several: (K,) int64."""
    after = np.minimum(np.searchsorted(ascending, wanted), len(ascending) - 1)
    before = np.maximum(after - 1, 0)
    nearer = np.abs(ascending[before] - wanted) <= np.abs(ascending[after] - wanted)
    return np.searchsorted(ascending, ascending[np.where(nearer, before, after)])


def plan_clips(shot: Shot, times: np.ndarray, config: SplitConfig) -> list[tuple[int, int]]:
    """Divide a shot into clips: (start_frame, end_frame) spans that tile it, as equal and as few as max_seconds allows.

    Empty if the shot is shorter than min_seconds. `times` is from `compute_frame_times`.
    """
    begin, end = float(times[shot.start_frame]), float(times[shot.end_frame])
    if end - begin < config.min_seconds - 1e-9:
        return []
    frames = shot.end_frame - shot.start_frame
    edges = [shot.start_frame, shot.end_frame]  # a few frames before a long gap cannot be divided enough
    for pieces in range(max(1, int(np.ceil((end - begin) / config.max_seconds - 1e-9))), frames + 1):
        wanted = begin + (end - begin) * np.arange(1, pieces) / pieces
        inner = find_nearest_indices(times[shot.start_frame : shot.end_frame + 1], wanted) + shot.start_frame
        edges = [shot.start_frame, *inner.tolist(), shot.end_frame]
        lengths = np.diff(times[edges])
        if lengths.max() <= config.max_seconds + 1e-9 or lengths.min() < config.min_seconds:
            break
    return [
        (a, b)
        for a, b in zip(edges, edges[1:], strict=False)
        if config.min_seconds - 1e-9 <= times[b] - times[a] <= config.max_seconds + 1e-9
    ]

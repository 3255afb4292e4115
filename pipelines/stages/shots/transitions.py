"""Fades and dissolves: spans where one scene gradually replaces another.

Frames are read in order, once for each kind, so that a few thousand of a stored scan are in memory at a time.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Literal

import numpy as np
from pydantic import Field

from humove.config.strict import Strict
from humove.video.measure import compute_mismatch
from humove.video.scan import Scan
from humove.video.scan_store import ImageSeries, StoredScan
from pipelines.stages.shots.proposals import propose_fades

_FADED_SHARE = 0.35
"""The maximum share of the contrast on either side that a fade leaves."""
_SIZE_RATIO = 1.25
"""Ratio of successive window lengths in the search for dissolves."""
_MIN_FRAMES = 4
"""Frames: a shorter change is not a dissolve."""
_BLOCK = 2048
"""Frames whose windows are compared at once."""
_SLACK = 2
"""Frames by which a dissolve may exceed, on each side, the window in which it was found."""
_MAX_DETOUR = 1.35
"""Maximum ratio of the mismatch by way of the middle frame to that from first to last."""


class TransitionConfig(Strict):
    """Detection of fades and dissolves. Their frames blend two scenes and belong to no shot."""

    mode: Literal["on", "off"] = Field("on", description="off: find hard cuts only")
    max_seconds: float = Field(2.0, gt=0, description="the longest dissolve, or fade to or from black, in seconds")
    max_contrast: float = Field(
        12.0,
        gt=0,
        description="a fade reaches a frame of at most this contrast (standard deviation, grey levels of 255);"
        " scenedetect's ThresholdDetector proposes where",
    )
    min_change: float = Field(
        18.0, gt=0, description="a dissolve changes the frame by at least this much (grey levels of 255)"
    )
    max_residual: float = Field(
        0.33,
        gt=0,
        lt=1,
        description="share of a dissolve's change that a mixture of the two frames may leave unexplained",
    )


Thumbs = np.ndarray | ImageSeries
"""(N, 32, 32) uint8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """The blended frames start to end (exclusive)."""

    kind: Literal["fade", "dissolve", "transition"]
    """"transition" if the detector does not distinguish the two."""
    start: int
    end: int


def find_transitions(scan: Scan | StoredScan, cuts: list[int], fps: Fraction, config: TransitionConfig) -> list[Span]:
    """Find fades and dissolves, in order and disjoint. `cuts` are the frames of hard cuts."""
    if config.mode == "off":
        return []
    longest = max(4, round(config.max_seconds * fps))
    thumbs = scan.thumb
    spans: list[Span] = []
    found = (*_find_fades(thumbs, fps, longest, config), *_find_dissolves(thumbs, cuts, longest, config))
    for span in sorted(found, key=lambda span: (span.start, -span.end)):
        last = spans[-1] if spans else None
        if last is not None and span.start <= last.end:
            kind = "fade" if "fade" in (last.kind, span.kind) else "dissolve"
            spans[-1] = Span(kind=kind, start=last.start, end=max(last.end, span.end))
        else:
            spans.append(span)
    return spans


def _find_fades(thumbs: Thumbs, fps: Fraction, longest: int, config: TransitionConfig) -> Iterator[Span]:
    """Find falls of contrast to a blank frame and rises from it, also at the start or end of a video."""
    contrast = np.zeros(len(thumbs))
    blank = np.zeros(len(thumbs), bool)
    for start, end in propose_fades(_record_contrast(thumbs, contrast), fps, config.max_contrast):
        blank[start:end] = contrast[start:end] <= config.max_contrast
    n = len(contrast)
    frame = 0
    while frame < n:
        if not blank[frame] or (frame + 1 < n and contrast[frame + 1] < contrast[frame]):
            frame += 1
            continue
        low = float(contrast[frame])
        last = frame
        while last + 1 < n and contrast[last + 1] <= low + 1.0:
            last += 1
        start = _find_ramp_end(contrast, frame, -1, longest)
        end = _find_ramp_end(contrast, last, +1, longest)
        before, after = frame - start, end - last
        faded_out = before > 2 and low < _FADED_SHARE * contrast[start] and _is_paler_copy(thumbs, start, frame)
        faded_in = after > 2 and low < _FADED_SHARE * contrast[end] and _is_paler_copy(thumbs, end, last)
        if faded_out or faded_in:
            yield Span(
                kind="fade",
                start=start + 1 if faded_out else frame,
                end=end if faded_in else last + 1,
            )
        frame = max(last, end if faded_in else last) + 1


def _record_contrast(thumbs: Thumbs, contrast: np.ndarray) -> Iterator[np.ndarray]:
    """Yield the thumbs in order, and write their standard deviations into `contrast` (N,)."""
    for frame, thumb in enumerate(thumbs):
        contrast[frame] = thumb.std()
        yield thumb


def _find_ramp_end(contrast: np.ndarray, low: int, step: int, longest: int) -> int:
    """Find the frame where contrast stops rising from frame `low` in the direction of `step`."""
    frame = top = low
    while 0 <= frame + step < len(contrast) and abs(frame + step - low) <= longest:
        frame += step
        if contrast[frame] > contrast[top] * 1.015 + 0.1:
            top = frame
        elif abs(frame - top) >= 2:
            break
    return top


def _is_paler_copy(thumbs: Thumbs, clear: int, blank: int) -> bool:
    """Check if the frame halfway is a paler copy of the clear one; after a cut to a blank frame it is not."""
    middle = thumbs[(clear + blank) // 2].astype(np.float64).ravel()
    return float(np.corrcoef(middle, thumbs[clear].astype(np.float64).ravel())[0, 1]) > 0.5 if middle.std() else False


def _find_dissolves(thumbs: Thumbs, cuts: list[int], longest: int, config: TransitionConfig) -> Iterator[Span]:
    """Find windows whose frames mix the first and last in evenly changing shares; the clearest of overlapping ones."""
    n = len(thumbs)
    taken = np.zeros(n, bool)
    for windows in _group_windows(_find_windows(thumbs, cuts, longest, config)):
        for _, start, size in sorted(windows, reverse=True):
            if not taken[start : start + size].any() and _exceeds_motion(thumbs, start, start + size, config):
                span = _fit_span(thumbs, start, start + size)
                taken[span.start : span.end] = True
                if span.end - span.start >= _MIN_FRAMES:
                    yield span


def _find_windows(
    thumbs: Thumbs, cuts: list[int], longest: int, config: TransitionConfig
) -> Iterator[tuple[float, int, int]]:
    """Find the (score, start, size) of each window that may be a dissolve, by start."""
    n = len(thumbs)
    is_cut = np.zeros(n + 1, np.int32)
    is_cut[cuts] = 1
    cuts_before = np.cumsum(is_cut, dtype=np.int32)
    sizes = _list_window_sizes(longest, n)
    for begin in range(0, n, _BLOCK):
        for start, size in sorted(_find_candidates(thumbs, begin, sizes, config)):
            if cuts_before[start + size] == cuts_before[start]:
                score = _score_dissolve(thumbs, start, start + size, config)
                if score > 0:
                    yield score, start, size


def _list_window_sizes(longest: int, num_frames: int) -> list[int]:
    sizes = []
    length = 5.0
    while round(length) <= longest * 1.1 and round(length) < num_frames:
        sizes.append(round(length))
        length *= _SIZE_RATIO
    return sizes


def _group_windows(windows: Iterator[tuple[float, int, int]]) -> Iterator[list[tuple[float, int, int]]]:
    """Group windows, given by start, so that no dissolve of one group touches a window of another.

    A choice by group, clearest first, then equals a choice among all windows.
    """
    group: list[tuple[float, int, int]] = []
    reach = 0
    for window in windows:
        _, start, size = window
        if group and start >= reach + _SLACK:
            yield group
            group = []
        reach = max(reach, start + size) if group else start + size
        group.append(window)
    if group:
        yield group


def _exceeds_motion(thumbs: Thumbs, start: int, end: int, config: TransitionConfig) -> bool:
    """Check that motion explains neither the change nor its halves.

    A mixture lies straight between its two frames, while half of a movement differs nearly as much as the whole.
    """
    middle = (start + end) // 2
    whole = compute_mismatch(thumbs[start], thumbs[end])
    halves = compute_mismatch(thumbs[start], thumbs[middle]) + compute_mismatch(thumbs[middle], thumbs[end])
    return whole >= config.min_change / 2 and halves <= _MAX_DETOUR * whole


def _find_candidates(
    thumbs: Thumbs, begin: int, sizes: Sequence[int], config: TransitionConfig
) -> Iterator[tuple[int, int]]:
    """Find the (start, size) of windows whose ends differ and whose middle resembles the mean of its ends; of those
    that start in the block from `begin`."""
    block = thumbs[begin : begin + _BLOCK + max(sizes, default=0)].astype(np.float32)
    block = block.reshape(len(block), -1)
    for size in sizes:
        count = min(_BLOCK, len(block) - size)
        if count <= 0:
            continue
        first, middle, last = (block[offset : offset + count] for offset in (0, size // 2, size))
        share = (size // 2) / size
        change = np.abs(last - first).mean(axis=1)
        rest = np.abs(middle - (first * (1 - share) + last * share)).mean(axis=1)
        for start in np.flatnonzero((change >= config.min_change) & (rest <= 0.4 * change)).tolist():
            yield begin + start, size


def _fit_mixture(thumbs: Thumbs, low: int, high: int, first: int, last: int) -> tuple[np.ndarray, np.ndarray]:
    """Compute, for frames low..high-1, the share of frame `last` in the mixture with `first`, and the residual as a
    share of their difference."""
    a = thumbs[first].astype(np.float32)
    change = thumbs[last] - a
    norm = float((change * change).sum()) or 1.0
    frames = thumbs[low:high] - a
    share = (frames * change).sum(axis=(1, 2)) / norm
    rest = np.sqrt(((frames - share[:, None, None] * change) ** 2).sum(axis=(1, 2)) / norm)
    return share, rest


def _score_dissolve(thumbs: Thumbs, start: int, end: int, config: TransitionConfig) -> float:
    """Score the clarity of a dissolve from frame `start` to `end`; 0 if it is none."""
    size = end - start
    share, rest = _fit_mixture(thumbs, start + 1, end, start, end)
    if rest.mean() > config.max_residual:
        return 0.0
    uneven = np.abs(share - np.arange(1, size) / size).max()
    largest = np.diff(share, prepend=0.0, append=1.0).max() * size
    if uneven > 0.2 or largest > 2.0:
        return 0.0
    change = np.abs(thumbs[end].astype(np.float32) - thumbs[start]).mean()
    lag = max(3, size // 2)
    drifts = (
        np.abs(thumbs[max(0, start - lag)].astype(np.float32) - thumbs[start]).mean(),
        np.abs(thumbs[min(len(thumbs) - 1, end + lag)].astype(np.float32) - thumbs[end]).mean(),
    )
    if min(drifts) > 0.6 * change or (size < 10 and max(drifts) > 0.8 * change):
        return 0.0  # the frames change as much outside the window as in it
    return float(change * (1 - rest.mean()) * (1 - uneven))


def _fit_span(thumbs: Thumbs, start: int, end: int) -> Span:
    """Fit the span of blended frames by a line through the shares in the middle of the window."""
    reach = end - start
    low, high = max(0, start - reach), min(len(thumbs), end + reach + 1)
    share, _ = _fit_mixture(thumbs, start, end + 1, start, end)
    inner = np.flatnonzero((share > 0.15) & (share < 0.85))
    if len(inner) >= 2:
        slope, offset = np.polyfit(inner + start, share[inner], 1)
        if slope > 0:
            first, last = -offset / slope, (1 - offset) / slope
            start, end = max(start - _SLACK, round(first)), min(end + _SLACK, round(last))
    return Span(kind="dissolve", start=max(low, start) + 1, end=min(high - 1, end))

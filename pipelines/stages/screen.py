"""Thresholds on a clip's frames before any annotator runs: size, light, sharpness, movement."""

import numpy as np
from pydantic import Field

from humove.config.strict import Strict
from humove.config.thresholds import make_stage_thresholds
from humove.reasons import Reason
from humove.stage import Reject
from humove.video.probe import Probe
from humove.video.scan import Scan

_STILL = 0.05
"""Grey levels: frames that differ by less show the same image; compression noise is a tenth of it."""


class ScreenConfig(Strict):
    """Requirements before anything expensive is computed on a clip. Each threshold applies to a stored score."""

    min_short_side: int = Field(240, ge=0, description="px: the shorter side of the frame as displayed")
    min_brightness: float = Field(0.06, ge=0, le=1, description="mean brightness of the clip, 0 black to 1 white")
    max_highlights: float = Field(0.7, ge=0, le=1, description="share of the frame that is clipped to white")
    max_still_share: float = Field(
        0.5, ge=0, le=1, description="the longest time without movement, as a share of the clip"
    )
    min_sharpness: float = Field(
        0.5, ge=0, le=1, description="0 (blurred) to 1: the share of the edges' energy that a further blur removes;"
        " a frame in focus has 0.7 or more, one blurred by 3 % of its height 0.3"
    )  # fmt: skip


THRESHOLDS = make_stage_thresholds(
    "screen",
    "first",
    ScreenConfig,
    # In the order of judgement: a dark or still clip is not called blurry.
    ("min_short_side", "short_side", Reason.TOO_SMALL,
     "the frame's shorter side is {score:.0f} px, below {limit:.0f}", 0, 1080),
    ("min_brightness", "brightness", Reason.TOO_DARK, "mean brightness {score:.3f} is below {limit}", 0, 0.5),
    ("max_highlights", "highlights", Reason.OVEREXPOSED,
     "{score:.0%} of the frame is burnt out, above {limit:.0%}", 0, 1),
    ("max_still_share", "still_share", Reason.FROZEN,
     "it stands still for {score:.0%} of its time, above {limit:.0%}", 0, 1),
    ("min_sharpness", "sharpness", Reason.BLURRY, "sharpness {score:.2f} is below {limit}", 0, 1),
)  # fmt: skip


def compute_screen_scores(scan: Scan, start: int, end: int, probe: Probe) -> dict[str, float]:
    """Compute a clip's scores from frames start to end (exclusive) of a scan; in px, seconds, or 0..1."""
    span = slice(start, end)
    return {
        "short_side": float(min(probe.width, probe.height)),
        "seconds": float((scan.pts[end - 1] - scan.pts[start]) * probe.time_base + 1 / probe.fps),
        "brightness": float(np.median(scan.luma[span])),
        "highlights": float(np.median(scan.highlights[span])),
        "still_share": _measure_longest_run(scan.difference[start + 1 : end] < _STILL) / max(1, end - start - 1),
        # A high percentile, since motion blur comes and goes.
        "sharpness": float(np.percentile(scan.sharpness[span], 90)),
    }


def _measure_longest_run(flags: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def judge_screen(scores: dict[str, float], config: ScreenConfig) -> Reject | None:
    """Return a rejection by the first threshold that the scores miss; None if they meet all."""
    return THRESHOLDS.judge(scores, config)

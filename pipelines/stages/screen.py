"""Whether a clip's picture is good enough to look at: size, light, sharpness, movement."""

import numpy as np
from pydantic import Field

from humove.bars import stage_bars
from humove.config import Strict
from humove.reasons import Reason
from humove.stage import Reject
from humove.video.probe import Probe
from humove.video.scan import Scan

_STILL = 0.05
"""Grey levels: frames that differ by less show the same picture; what compression leaves is a tenth of it."""


class ScreenConfig(Strict):
    """What a clip must reach before anything dear is computed on it. Each bar is judged on a stored score."""

    min_short_side: int = Field(240, ge=0, description="px: the shorter side of the picture as displayed")
    min_brightness: float = Field(0.06, ge=0, le=1, description="mean brightness of the clip, 0 black to 1 white")
    max_highlights: float = Field(0.7, ge=0, le=1, description="share of the picture that is burnt out to white")
    max_still_share: float = Field(
        0.5, ge=0, le=1, description="the longest time that the picture stands still, as a share of the clip"
    )
    min_sharpness: float = Field(
        0.5, ge=0, le=1, description="0 blurred over to 1: how much of the edges' energy a further blur takes away;"
        " a picture in focus has 0.7 or more, one blurred by 3 % of its height 0.3"
    )  # fmt: skip


BARS = stage_bars(
    "screen",
    "first",
    ScreenConfig,
    # In the order in which they are judged: a dark or still picture isn't called blurry.
    ("min_short_side", "short_side", Reason.TOO_SMALL,
     "the picture's shorter side is {score:.0f} px, below {bar:.0f}", 0, 1080),
    ("min_brightness", "brightness", Reason.TOO_DARK, "mean brightness {score:.3f} is below {bar}", 0, 0.5),
    ("max_highlights", "highlights", Reason.OVEREXPOSED,
     "{score:.0%} of the picture is burnt out, above {bar:.0%}", 0, 1),
    ("max_still_share", "still_share", Reason.FROZEN,
     "it stands still for {score:.0%} of its time, above {bar:.0%}", 0, 1),
    ("min_sharpness", "sharpness", Reason.BLURRY, "sharpness {score:.2f} is below {bar}", 0, 1),
)  # fmt: skip


def screen_scores(scan: Scan, start: int, end: int, probe: Probe) -> dict[str, float]:
    """The clip's scores, from the frames start to end (exclusive) of a scan; lengths in px and seconds, else 0..1."""
    span = slice(start, end)
    return {
        "short_side": float(min(probe.width, probe.height)),
        "seconds": float((scan.pts[end - 1] - scan.pts[start]) * probe.time_base + 1 / probe.fps),
        "brightness": float(np.median(scan.luma[span])),
        "highlights": float(np.median(scan.highlights[span])),
        "still_share": _longest_run(scan.difference[start + 1 : end] < _STILL) / max(1, end - start - 1),
        # What the sharper frames reach: a blur of motion comes and goes.
        "sharpness": float(np.percentile(scan.sharpness[span], 90)),
    }


def _longest_run(flags: np.ndarray) -> int:
    edges = np.flatnonzero(np.diff(np.concatenate([[0], flags.astype(np.int8), [0]])))
    return int((edges[1::2] - edges[::2]).max(initial=0))


def judge(scores: dict[str, float], config: ScreenConfig) -> Reject | None:
    """The first bar that the scores do not meet, with score and threshold; None where all are met."""
    return BARS.judge(scores, config)

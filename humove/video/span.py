"""The part of a scan that decoding needs: the timestamps of a span, and where decoding can start."""

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ScanSpan:
    """Timestamps of a span of a scanned video, from the keyframe at or before its first frame to its end.

    Frames are numbered as in the whole video. About 9 bytes per frame, independent of the video's length.
    """

    first_frame: int
    """The number of the first frame of `pts`."""
    pts: np.ndarray
    """(M,) int64, as `Scan.pts`."""
    is_key: np.ndarray
    """(M,) bool, as `Scan.is_key`."""
    timed: bool
    """As `Scan.timed`; if False, `pts` begins with the span itself and frames are counted from the file's first."""
    num_frames: int
    """Frames of the whole video."""

    @property
    def end_frame(self) -> int:
        return self.first_frame + len(self.pts)

    def get_timestamps(self, start: int, end: int) -> np.ndarray:
        """Return the pts of these frames, (end - start,) int64. ValueError if the span does not cover them."""
        if not self.first_frame <= start < end <= self.end_frame:
            raise ValueError(
                f"span [{start}, {end}) outside the scanned frames [{self.first_frame}, {self.end_frame}) of the"
                f" video's {self.num_frames} frames"
            )
        return self.pts[start - self.first_frame : end - self.first_frame]

    def find_key_before(self, frame: int) -> int:
        """Find the frame where decoding starts for `frame`: the last keyframe up to it, or 0, the file's beginning."""
        if not self.timed:
            return 0
        keys = np.flatnonzero(self.is_key[: frame - self.first_frame + 1])
        return self.first_frame + int(keys[-1]) if len(keys) else 0

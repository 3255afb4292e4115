"""scenedetect's proposals from the scan's thumbs: frames of possible cuts, and blank stretches that may be fades.

The project's own measures confirm or reject each proposal; without a proposal there is neither cut nor fade.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import cv2
import numpy as np
from scenedetect import ContentDetector, FrameTimecode, ThresholdDetector


def propose_cuts(thumbs: Iterable[np.ndarray], fps: Fraction, threshold: float) -> np.ndarray:
    """Propose frames, ascending int64, whose content value reaches `threshold`; `thumbs` are N x (32, 32) uint8 luma.

    Luma only: averaged over hue and saturation too, as scenedetect does by default, the same cut would score a third
    as much in black and white. No minimum scene length, as cuts may follow each other closely.
    """
    detector = ContentDetector(threshold=threshold, min_scene_len=0, luma_only=True)
    found = (
        cut.frame_num
        for time, thumb in _add_timecodes(thumbs, fps)
        for cut in detector.process_frame(time, cv2.cvtColor(thumb, cv2.COLOR_GRAY2BGR))
    )
    return np.fromiter(found, np.int64)


def propose_fades(thumbs: Iterable[np.ndarray], fps: Fraction, contrast: float) -> list[tuple[int, int]]:
    """Propose stretches [start, end) that hold all frames with a contrast (standard deviation) of at most `contrast`.

    The detector, made for fades through black, gets each pixel's distance from its frame's mean: that falls to zero in
    a fade through any colour, but not in a dark scene. The detector takes the mean distance, which is at most the
    standard deviation.
    """
    detector = ThresholdDetector(threshold=int(contrast) + 1, min_scene_len=0, fade_bias=-1.0, add_final_scene=True)
    stretches = []
    last = None
    for time, thumb in _add_timecodes(thumbs, fps):
        last = time
        for faded_out in detector.process_frame(time, np.abs(thumb - thumb.mean())):
            stretches.append((faded_out.frame_num, time.frame_num))
    if last is not None:
        stretches += [(faded_out.frame_num, last.frame_num + 1) for faded_out in detector.post_process(last)]
    return stretches


def _add_timecodes(thumbs: Iterable[np.ndarray], fps: Fraction) -> Iterator[tuple[FrameTimecode, np.ndarray]]:
    for frame, thumb in enumerate(thumbs):
        yield FrameTimecode(frame, fps=fps), thumb

"""What scenedetect proposes, from the scan's thumbs: frames where a cut may be, and blank stretches that may be fades.

The project's own measures then confirm or refuse each proposal; without one there is neither cut nor fade.
"""

from collections.abc import Iterable, Iterator
from fractions import Fraction

import cv2
import numpy as np
from scenedetect import ContentDetector, FrameTimecode, ThresholdDetector


def propose_cuts(thumbs: Iterable[np.ndarray], fps: Fraction, threshold: float) -> np.ndarray:
    """Frames, ascending int64, whose content value reaches `threshold`; `thumbs` are N times (32, 32) uint8 luma.

    In luma only: averaged over hue and saturation too, as scenedetect does by default, the same cut would score a
    third as much in black and white. Without its shortest scene length, as cuts may follow each other closely.
    """
    detector = ContentDetector(threshold=threshold, min_scene_len=0, luma_only=True)
    found = (
        cut.frame_num
        for time, thumb in _timed(thumbs, fps)
        for cut in detector.process_frame(time, cv2.cvtColor(thumb, cv2.COLOR_GRAY2BGR))
    )
    return np.fromiter(found, np.int64)


def propose_fades(thumbs: Iterable[np.ndarray], fps: Fraction, contrast: float) -> list[tuple[int, int]]:
    """Stretches [start, end) that hold all frames of a contrast (standard deviation) of at most `contrast` grey levels.

    The detector, made for fades through black, is shown how far each pixel lies from its frame's mean: that sinks to
    nothing in a fade through any colour, and does not in a scene that is merely dark. The mean distance, which it
    takes, is at most the standard deviation.
    """
    detector = ThresholdDetector(threshold=int(contrast) + 1, min_scene_len=0, fade_bias=-1.0, add_final_scene=True)
    stretches = []
    last = None
    for time, thumb in _timed(thumbs, fps):
        last = time
        for faded_out in detector.process_frame(time, np.abs(thumb - thumb.mean())):
            stretches.append((faded_out.frame_num, time.frame_num))
    if last is not None:
        stretches += [(faded_out.frame_num, last.frame_num + 1) for faded_out in detector.post_process(last)]
    return stretches


def _timed(thumbs: Iterable[np.ndarray], fps: Fraction) -> Iterator[tuple[FrameTimecode, np.ndarray]]:
    for frame, thumb in enumerate(thumbs):
        yield FrameTimecode(frame, fps=fps), thumb

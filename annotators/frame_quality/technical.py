"""Technical quality of a frame without a model: detail, blockiness, noise, contrast, and their grade.

Each measure is graded from 0 (bad) to 1 (faultless) between two values, measured on real videos and on the same videos
after blur, strong compression, noise and loss of contrast; the frame's grade is the worst.
"""

from collections.abc import Mapping

import cv2
import numpy as np

GRADES = {
    "detail": (0.1, 0.3),
    "blockiness": (1.2, 0.15),
    "noise": (15.0, 4.0),
    "contrast": (0.1, 0.35),
}
"""The values of grade 0 and grade 1 of each measure; the grade is linear between them."""
_BLOCK = 8
_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def measure_technical_quality(luma: np.ndarray) -> dict[str, float]:
    """Measure detail (0..1), blockiness (0: none), noise (grey levels) and contrast (0..1) of a (H, W) uint8 frame.

    The frame has at least its stored size, so that losses by upscaling are measurable.
    """
    low, high = np.percentile(luma[::2, ::2], (2, 98))
    return {
        "detail": measure_detail(luma),
        "blockiness": measure_blockiness(luma),
        "noise": measure_noise(luma),
        "contrast": float(high - low) / 255,
    }


def grade_scores(scores: Mapping[str, float]) -> float:
    """Return the worst of the four grades, 0..1."""
    grades = [(scores[name] - bad) / (good - bad) for name, (bad, good) in GRADES.items()]
    return float(np.clip(min(grades), 0, 1))


def measure_detail(luma: np.ndarray) -> float:
    """Measure the share of edge energy that a blur over 3 px removes: small for upscaled or soft frames.

    As humove.video.measure.sharpness (after Crete et al. 2007), but at the scale of single pixels.
    """
    fine = luma.astype(np.int16)
    blurred = cv2.blur(fine, (3, 3))
    before, after = (sum(float(np.square(np.diff(p, axis=axis).astype(np.float32)).sum()) for axis in (0, 1))
                     for p in (fine, blurred))  # fmt: skip
    return 1 - after / before if before else 0.0


def measure_blockiness(luma: np.ndarray) -> float:
    """Measure how much larger the steps between neighbours are on an 8 px grid than next to it, as a share of the mean.

    After Wang, Sheikh and Bovik 2002 (No-reference perceptual quality assessment of JPEG compressed images); all eight
    offsets of the grid are tested, since a crop moves it. Steps are capped, so that edges of objects do not dominate.
    """
    found = []
    for axis in (0, 1):
        line = np.minimum(cv2.absdiff(luma, np.roll(luma, 1, axis)), 24).mean(1 - axis)[1:]
        line = line[: len(line) // _BLOCK * _BLOCK].reshape(-1, _BLOCK)
        if len(line):
            steps = line.mean(0)
            at = int(steps.argmax())
            beside = (steps[at - 1] + steps[(at + 1) % _BLOCK]) / 2
            found.append(float(steps[at] - beside) / max(float(steps.mean()), 0.25))
    return max(0.0, min(found, default=0.0))


def measure_noise(luma: np.ndarray) -> float:
    """Measure the standard deviation of the noise, grey levels, after Immerkaer 1996 (Fast Noise Variance Estimation).

    The filter ignores constant gradients; the median instead of the mean excludes edges and textures.
    """
    filtered = cv2.filter2D(luma, cv2.CV_32F, _LAPLACIANS)[1:-1, 1:-1]
    return float(np.median(np.abs(filtered))) / (6 * 0.6745)

"""How well a picture is recorded, without a model: detail, blocks, noise, contrast, and a grade of all four.

Each measure is graded from 0 (bad) to 1 (faultless) between two values that were taken from real videos and from the
same videos blurred, squeezed by a codec, made noisy and flattened; the picture's grade is its worst.
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
"""Of each measure the value that is graded 0, and the one that is graded 1; between them the grade is linear."""
_BLOCK = 8
_LAPLACIANS = np.array([[1, -2, 1], [-2, 4, -2], [1, -2, 1]], np.float32)


def measure(luma: np.ndarray) -> dict[str, float]:
    """detail (0..1), blockiness (0 without), noise (grey levels), contrast (0..1) of a (H, W) uint8 picture.

    The picture is at the size that it is stored at or above: what scaling takes away is to be seen.
    """
    low, high = np.percentile(luma[::2, ::2], (2, 98))
    return {
        "detail": detail(luma),
        "blockiness": blockiness(luma),
        "noise": noise(luma),
        "contrast": float(high - low) / 255,
    }


def grade(scores: Mapping[str, float]) -> float:
    """0..1: the worst of the four grades."""
    grades = [(scores[name] - bad) / (good - bad) for name, (bad, good) in GRADES.items()]
    return float(np.clip(min(grades), 0, 1))


def detail(luma: np.ndarray) -> float:
    """Which share of the edges' energy a blur over 3 px takes away: little where the picture was scaled up or is soft.

    As humove.video.measure.sharpness (after Crete et al. 2007), but at the scale of single pixels.
    """
    fine = luma.astype(np.int16)
    blurred = cv2.blur(fine, (3, 3))
    before, after = (sum(float(np.square(np.diff(p, axis=axis).astype(np.float32)).sum()) for axis in (0, 1))
                     for p in (fine, blurred))  # fmt: skip
    return 1 - after / before if before else 0.0


def blockiness(luma: np.ndarray) -> float:
    """How much larger the steps between neighbours are on the lines of an 8 px grid than next to them, as a share.

    After Wang, Sheikh and Bovik 2002 (No-reference perceptual quality assessment of JPEG compressed images); the grid
    is looked for at all eight offsets, since a crop moves it. Steps are capped, so that edges of things don't decide.
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


def noise(luma: np.ndarray) -> float:
    """Standard deviation of the noise, grey levels, after Immerkaer 1996 (Fast Noise Variance Estimation).

    The mask is blind to even slopes; the median over the picture instead of the mean leaves out edges and textures.
    """
    filtered = cv2.filter2D(luma, cv2.CV_32F, _LAPLACIANS)[1:-1, 1:-1]
    return float(np.median(np.abs(filtered))) / (6 * 0.6745)

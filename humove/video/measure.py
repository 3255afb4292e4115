"""What is measured on each frame, and between a frame and the one before it, on pictures small enough to be cheap."""

from dataclasses import dataclass

import av
import cv2
import numpy as np

SMALL = 96
"""Side of the square picture that pairs of frames are compared on, px."""
THUMB = 32
CHROMA = 8
_MID = 160
"""Least short side of the picture that light and sharpness are measured on, px; it has less than twice that."""
_PLANAR_SHIFT = {
    f"{kind}{depth}": shift
    for kind in ("yuv420p", "yuv422p", "yuv444p", "yuvj420p", "yuvj422p", "yuvj444p")
    for depth, shift in (("", 0), ("10le", 2), ("12le", 4))
}
_LIMITED_TO_FULL = np.clip((np.arange(256) - 16) * 255 / 219, 0, 255).round().astype(np.uint8)
_SHADOW, _HIGHLIGHT = 8, 247
_BLOCKS = 8
_MATCH = 48
_REACH = 6
_STILL = 4.0


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Measured:
    """One frame. Luma is 0..255 over the full range, whatever the stream's."""

    small: np.ndarray
    """(SMALL, SMALL) uint8 luma, stretched to a square, upright."""
    thumb: np.ndarray
    """(THUMB, THUMB) uint8 luma."""
    chroma: np.ndarray
    """(2, CHROMA, CHROMA) uint8 U and V."""
    luma: float
    """Mean, 0..1."""
    shadows: float
    """Share of pixels that are black."""
    highlights: float
    """Share of pixels that are white."""
    sharpness: float
    """0 (blurred over) to 1: what share of the edges' energy a further blur takes away."""
    dhash: int
    """64 bits: whether each of 8x8 places is brighter than its right neighbour."""


def _plane(frame: av.VideoFrame, index: int, shift: int) -> np.ndarray:
    plane = frame.planes[index]
    if shift:
        return np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[:, : plane.width]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]


def _halved(plane: np.ndarray, least: int) -> np.ndarray:
    """Halved as often as the short side stays at `least` or more; averaging, so that fine texture does not flicker."""
    while min(plane.shape) >= 2 * least:
        height, width = plane.shape[0] // 2, plane.shape[1] // 2
        plane = cv2.resize(plane[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return plane


def _eight_bits(plane: np.ndarray, shift: int) -> np.ndarray:
    return (plane >> shift).astype(np.uint8) if shift else plane


def sharpness(luma: np.ndarray) -> float:
    """Of a (H, W) uint8 picture: 1 - (edge energy after a box blur of H / 30) / (edge energy before).

    After Crete et al. 2007, "The blur effect", with squared differences, so that strong edges decide and neither flat
    walls nor faint noise do; of the two directions the sharper counts, so that motion blur alone does not condemn.
    """
    size = max(3, min(luma.shape) // 30) | 1
    fine = luma.astype(np.uint16) << 6
    best = 0.0
    for axis, kernel in ((1, (size, 1)), (0, (1, size))):
        blurred = cv2.blur(fine, kernel)
        before, after = (
            cv2.norm(cv2.absdiff(image[1:], image[:-1]) if axis == 0 else cv2.absdiff(image[:, 1:], image[:, :-1]),
                     cv2.NORM_L2SQR)
            for image in (fine, blurred)
        )  # fmt: skip
        if before > 0:
            best = max(best, 1 - after / before)
    return best


def dhash(small: np.ndarray) -> int:
    """64-bit difference hash of a (H, W) uint8 picture; bit 63 is the top-left place."""
    grid = cv2.resize(small, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(grid[:, :-1] > grid[:, 1:]).tobytes(), "big")


def measure(frame: av.VideoFrame, rotation: int, full_range: bool) -> Measured:
    """Measures one decoded frame; `rotation` is the probe's, in degrees counter-clockwise."""
    shift = _PLANAR_SHIFT.get(frame.format.name)
    if shift is None:
        frame = frame.reformat(format="yuv420p", dst_color_range="MPEG")
        shift, full_range = 0, False
    mid = _eight_bits(_halved(_plane(frame, 0, shift), _MID), shift)
    if not full_range:
        mid = cv2.LUT(mid, _LIMITED_TO_FULL)
    turns = rotation // 90
    square = cv2.resize(_halved(mid, SMALL), (SMALL, SMALL), interpolation=cv2.INTER_AREA)
    small = np.ascontiguousarray(np.rot90(square, turns))
    chroma = [_eight_bits(_halved(_plane(frame, index, shift), CHROMA), shift) for index in (1, 2)]
    chroma = [cv2.resize(plane, (CHROMA, CHROMA), interpolation=cv2.INTER_AREA) for plane in chroma]
    histogram = cv2.calcHist([mid], [0], None, [256], [0, 256]).ravel() / mid.size
    return Measured(
        small=small,
        thumb=cv2.resize(small, (THUMB, THUMB), interpolation=cv2.INTER_AREA),
        chroma=np.stack([np.rot90(plane, turns) for plane in chroma]),
        luma=float(histogram @ np.arange(256) / 255),
        shadows=float(histogram[: _SHADOW + 1].sum()),
        highlights=float(histogram[_HIGHLIGHT:].sum()),
        sharpness=sharpness(mid),
        dhash=dhash(small),
    )


def difference(before: np.ndarray, after: np.ndarray) -> float:
    """Mean absolute difference of two small pictures, in grey levels of 255."""
    return float(cv2.norm(before, after, cv2.NORM_L1) / before.size)


def mismatch(before: np.ndarray, after: np.ndarray) -> float:
    """What of `difference` no motion explains, in grey levels of 255.

    Each of 8x8 blocks of `after` is looked for in `before` up to an eighth of the picture away; the mean over blocks
    of the least difference. Where the pictures hardly differ at all, that difference is the answer.
    """
    plain = difference(before, after)
    if plain < _STILL:
        return plain
    a, b = (cv2.resize(p, (_MATCH, _MATCH), interpolation=cv2.INTER_AREA) for p in (before, after))
    padded = cv2.copyMakeBorder(a, _REACH, _REACH, _REACH, _REACH, cv2.BORDER_REPLICATE)
    moved = np.lib.stride_tricks.sliding_window_view(padded, (_MATCH, _MATCH)).reshape(-1, _MATCH)
    moves = len(moved) // _MATCH
    costs = cv2.absdiff(moved, np.tile(b, (moves, 1)))
    corners = cv2.integral(costs)[:: _MATCH // _BLOCKS, :: _MATCH // _BLOCKS]
    rows = corners[1:] - corners[:-1]
    blocks = (rows[:, 1:] - rows[:, :-1]).reshape(moves, -1)
    return float(blocks.min(axis=0).mean() / (_MATCH // _BLOCKS) ** 2)

"""Measurements of single frames and of consecutive frames, on downscaled images."""

from dataclasses import dataclass

import av
import cv2
import numpy as np

SMALL = 96
"""Side of the square image on which pairs of frames are compared, px."""
THUMB = 32
CHROMA = 8
_MID = 160
"""Least short side of the image on which light and sharpness are measured, px; it is below twice that."""
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
class FrameMeasurement:
    """The measurements of one frame. Luma is 0..255 over the full range, whatever the stream's."""

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
    """0 (blurred) to 1: the share of the edges' energy that a further blur removes."""
    dhash: int
    """64 bits: whether each of 8x8 cells is brighter than its right neighbour."""


def _get_plane(frame: av.VideoFrame, index: int, shift: int) -> np.ndarray:
    plane = frame.planes[index]
    if shift:
        return np.frombuffer(plane, np.uint16).reshape(plane.height, -1)[:, : plane.width]
    return np.frombuffer(plane, np.uint8).reshape(plane.height, -1)[:, : plane.width]


def _halve_to_size(plane: np.ndarray, least: int) -> np.ndarray:
    """Halve an image while its short side stays at least `least`; averages, so that fine texture does not flicker."""
    while min(plane.shape) >= 2 * least:
        height, width = plane.shape[0] // 2, plane.shape[1] // 2
        plane = cv2.resize(plane[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
    return plane


def _reduce_to_8_bits(plane: np.ndarray, shift: int) -> np.ndarray:
    return (plane >> shift).astype(np.uint8) if shift else plane


def compute_sharpness(luma: np.ndarray) -> float:
    """Compute the sharpness of a (H, W) uint8 image: 1 - (edge energy after a box blur of H / 30) / (energy before).

    After Crete et al. 2007, "The blur effect", with squared differences, so that strong edges count more than flat
    walls or faint noise; the sharper of the two directions counts, so that motion blur alone does not fail a frame.
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


def compute_dhash(small: np.ndarray) -> int:
    """Compute the 64-bit difference hash of a (H, W) uint8 image; bit 63 is the top-left cell."""
    grid = cv2.resize(small, (9, 8), interpolation=cv2.INTER_AREA).astype(np.int16)
    return int.from_bytes(np.packbits(grid[:, :-1] > grid[:, 1:]).tobytes(), "big")


def measure_frame(frame: av.VideoFrame, rotation: int, full_range: bool) -> FrameMeasurement:
    """Measure one decoded frame; `rotation` is the probe's, in degrees counter-clockwise."""
    shift = _PLANAR_SHIFT.get(frame.format.name)
    if shift is None:
        frame = frame.reformat(format="yuv420p", dst_color_range="MPEG")
        shift, full_range = 0, False
    mid = _reduce_to_8_bits(_halve_to_size(_get_plane(frame, 0, shift), _MID), shift)
    if not full_range:
        mid = cv2.LUT(mid, _LIMITED_TO_FULL)
    turns = rotation // 90
    square = cv2.resize(_halve_to_size(mid, SMALL), (SMALL, SMALL), interpolation=cv2.INTER_AREA)
    small = np.ascontiguousarray(np.rot90(square, turns))
    chroma = [_reduce_to_8_bits(_halve_to_size(_get_plane(frame, index, shift), CHROMA), shift) for index in (1, 2)]
    chroma = [cv2.resize(plane, (CHROMA, CHROMA), interpolation=cv2.INTER_AREA) for plane in chroma]
    histogram = cv2.calcHist([mid], [0], None, [256], [0, 256]).ravel() / mid.size
    return FrameMeasurement(
        small=small,
        thumb=cv2.resize(small, (THUMB, THUMB), interpolation=cv2.INTER_AREA),
        chroma=np.stack([np.rot90(plane, turns) for plane in chroma]),
        luma=float(histogram @ np.arange(256) / 255),
        shadows=float(histogram[: _SHADOW + 1].sum()),
        highlights=float(histogram[_HIGHLIGHT:].sum()),
        sharpness=compute_sharpness(mid),
        dhash=compute_dhash(small),
    )


def compute_difference(before: np.ndarray, after: np.ndarray) -> float:
    """Compute the mean absolute difference of two small images, in grey levels of 255."""
    return float(cv2.norm(before, after, cv2.NORM_L1) / before.size)


def compute_mismatch(before: np.ndarray, after: np.ndarray) -> float:
    """Compute the part of the difference that motion does not explain, in grey levels of 255.

    Each of 8x8 blocks of `after` is searched in `before` up to an eighth of the image away; the result is the mean
    over blocks of the least difference. If the images hardly differ, it is their plain difference.
    """
    plain = compute_difference(before, after)
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

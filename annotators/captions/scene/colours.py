"""Colour words for pixels: the nearest of a small table of named colours in CIE Lab.

Distances are Euclidean in Lab with half the weight for lightness, because shade and folds change the lightness of a
cloth far more than its hue, and with less weight for chroma in the dark, where the camera's colour cast dominates it.
"""

from functools import cache

import cv2
import numpy as np

LIGHTNESS_WEIGHT = 0.5
_STEP = 8
"""Edge of a cell of the lookup table in 8-bit RGB."""

TABLE: tuple[tuple[str, tuple[int, int, int]], ...] = (
    ("black", (10, 10, 10)), ("black", (32, 31, 33)), ("dark grey", (62, 62, 62)), ("grey", (105, 105, 105)),
    ("grey", (135, 135, 135)), ("light grey", (178, 178, 178)), ("white", (222, 222, 222)), ("white", (255, 255, 255)),
    ("dark red", (110, 15, 25)), ("red", (170, 25, 30)), ("red", (225, 45, 45)), ("pink", (240, 160, 185)),
    ("pink", (230, 95, 160)), ("light pink", (245, 205, 215)), ("dark brown", (62, 40, 28)), ("brown", (115, 75, 45)),
    ("light brown", (165, 120, 85)), ("light brown", (190, 140, 65)), ("beige", (205, 180, 145)),
    ("beige", (228, 212, 184)),
    ("orange", (235, 120, 30)), ("orange", (250, 155, 60)), ("dark yellow", (165, 135, 30)), ("yellow", (240, 210, 40)),
    ("yellow", (250, 235, 110)), ("light yellow", (250, 245, 185)), ("olive green", (95, 95, 40)),
    ("dark green", (20, 65, 30)), ("green", (45, 125, 55)), ("green", (70, 175, 75)), ("light green", (150, 215, 130)),
    ("light green", (190, 230, 180)), ("dark teal", (15, 75, 80)), ("teal", (20, 140, 145)),
    ("turquoise", (60, 205, 205)), ("dark blue", (22, 28, 46)), ("black", (36, 40, 24)),
    ("black", (40, 35, 30)), ("dark blue", (20, 25, 60)), ("dark blue", (25, 40, 95)), ("blue", (35, 70, 160)),
    ("blue", (48, 84, 140)),
    ("blue", (50, 110, 215)), ("blue", (60, 60, 220)), ("light blue", (120, 175, 235)), ("light blue", (175, 210, 240)),
    ("dark purple", (60, 25, 80)), ("purple", (110, 55, 150)), ("purple", (150, 80, 200)),
    ("light purple", (195, 165, 225)), ("blue-grey", (95, 110, 130)), ("dark blue-grey", (50, 58, 74)),
    ("light blue-grey", (160, 175, 192)),
)  # fmt: skip
WORDS: tuple[str, ...] = tuple(dict.fromkeys(word for word, _ in TABLE))

TWO_COLOURS = 26.0
"""Least distance of a cloth's second colour from its first; nearer ones are shades."""
_FAMILY = {"black": "dark", "dark grey": "dark", "grey": "middle", "light grey": "light", "white": "light"}


def to_lab(rgb: np.ndarray) -> np.ndarray:
    """Convert (..., 3) uint8 sRGB to (..., 3) float32 CIE Lab (D65), L 0..100."""
    flat = np.ascontiguousarray(rgb, dtype=np.uint8).reshape(1, -1, 3).astype(np.float32) / 255
    return cv2.cvtColor(flat, cv2.COLOR_RGB2LAB).reshape(rgb.shape)


def _to_weighted_lab(colours: np.ndarray) -> np.ndarray:
    """Scale Lab (M, 3) to the axes on which distances to the table's colours are Euclidean."""
    chroma = np.clip((colours[:, :1] + 10) / 45, 0, 1)
    return np.concatenate([colours[:, :1] * LIGHTNESS_WEIGHT, colours[:, 1:] * chroma], 1)


@cache
def _build_lookup() -> np.ndarray:
    """Build (32768,) uint8: the index of the word for each cell of RGB."""
    levels = np.arange(_STEP // 2, 256, _STEP, dtype=np.uint8)
    cells = np.stack(np.meshgrid(levels, levels, levels, indexing="ij"), -1).reshape(-1, 3)
    anchors = _to_weighted_lab(to_lab(np.array([rgb for _, rgb in TABLE], np.uint8)))
    points = _to_weighted_lab(to_lab(cells))
    distance = (points**2).sum(1)[:, None] + (anchors**2).sum(1)[None] - 2 * points @ anchors.T
    word_of = np.array([WORDS.index(word) for word, _ in TABLE], np.uint8)
    return word_of[distance.argmin(1)]


def measure_shares(pixels: np.ndarray) -> dict[str, float]:
    """Measure the share of `pixels` (..., 3) uint8 of each word; largest first, ties in the table's order."""
    rgb = pixels.reshape(-1, 3).astype(np.int64) // _STEP
    side = 256 // _STEP
    counts = np.bincount(_build_lookup()[(rgb[:, 0] * side + rgb[:, 1]) * side + rgb[:, 2]], minlength=len(WORDS))
    order = np.argsort(-counts, kind="stable")
    total = max(len(rgb), 1)
    return {WORDS[k]: counts[k] / total for k in order if counts[k]}


@cache
def _measure_distance(a: str, b: str) -> float:
    """Measure the distance of two words' mean colours on the weighted axes."""
    colours = _to_weighted_lab(to_lab(np.array([rgb for _, rgb in TABLE], np.uint8)))
    middle = [colours[[k for k, (word, _) in enumerate(TABLE) if word == w]].mean(0) for w in (a, b)]
    return float(np.linalg.norm(middle[0] - middle[1]))


def name_colour(rgb: tuple[int, int, int] | np.ndarray) -> str:
    """Return the word for one colour."""
    return next(iter(measure_shares(np.asarray(rgb, np.uint8))))


def are_kin(a: str, b: str) -> bool:
    """Return whether two words could name one cloth in light and in shade: the same hue, or neighbouring greys."""

    def strip_shade(word: str) -> str:
        return word.removeprefix("light ").removeprefix("dark ").removesuffix("-grey")

    if a in _FAMILY and b in _FAMILY:
        return _FAMILY[a] == _FAMILY[b]
    return strip_shade(a) == strip_shade(b)


def group_shares(pixels: np.ndarray) -> list[tuple[str, float]]:
    """Return the leading word of each hue and the share of all its shades, largest first."""
    groups: list[tuple[str, float]] = []
    for word, share in measure_shares(pixels).items():
        for k, (head, total) in enumerate(groups):
            if are_kin(head, word):
                groups[k] = (head, total + share)
                break
        else:
            groups.append((word, share))
    groups.sort(key=lambda group: -group[1])
    return groups


def name_cloth(pixels: np.ndarray, *, single: float = 0.45, double: float = 0.65) -> str | None:
    """Name a cloth by one colour, by two ("white and blue"), or None if neither covers enough of it.

    A word's share includes its shades. `single` and `double` are the shares that one
    colour, or two together, must reach.
    """
    groups = group_shares(pixels)
    if not groups:
        return None
    first, *rest = groups
    rest = [group for group in rest if _measure_distance(first[0], group[0]) >= TWO_COLOURS]
    second = rest[0] if rest else ("", 0.0)
    if first[1] >= single and second[1] < 0.3:
        return first[0]
    if second[1] >= 0.2 and first[1] + second[1] >= double:
        return f"{first[0]} and {second[0]}"
    return first[0] if first[1] >= single else None

"""Drawn scenes, measured as the scan measures them, without a file in between."""

from collections.abc import Sequence

import av
import cv2
import numpy as np

from humove.video.measure import compute_difference, compute_mismatch, measure_frame
from humove.video.scan import Scan

WIDTH, HEIGHT = 256, 144


def draw_scene(seed: int, count: int, *, start: int = 0, pan: float = 0.5, speed: float = 2.0) -> list[np.ndarray]:
    """Draw `count` RGB frames of a place of a hundred rectangles, under a panning camera, with a moving ball."""
    rng = np.random.default_rng(seed)
    place = np.full((HEIGHT, 4 * WIDTH, 3), rng.integers(40, 200, 3), np.uint8)
    for x, y, w, h in rng.integers((0, 0, 8, 8), (4 * WIDTH, HEIGHT, 60, 50), (100, 4)):
        place[y : y + h, x : x + w] = rng.integers(0, 255, 3)
    place = cv2.GaussianBlur(place, (0, 0), 1)
    frames = []
    for t in range(start, start + count):
        x = int(t * pan)
        frame = place[:, x : x + WIDTH].copy()
        centre = (int(WIDTH / 2 + 60 * np.sin(t * speed / 30)), int(HEIGHT / 2 + 30 * np.cos(t * speed / 17)))
        cv2.circle(frame, centre, 22, (230, 180, 40), -1, cv2.LINE_AA)
        frames.append(frame)
    return frames


def mix_frames(before: Sequence[np.ndarray], after: Sequence[np.ndarray]) -> list[np.ndarray]:
    """Make a dissolve over as many frames as both have."""
    n = len(before)
    shares = [(k + 1) / (n + 1) for k in range(n)]
    return [(a * (1 - s) + b * s).round().astype(np.uint8) for a, b, s in zip(before, after, shares, strict=True)]


def measure_scan(frames: Sequence[np.ndarray], pts: Sequence[int] | None = None) -> Scan:
    """Measure the scan of RGB frames at 30 fps; `pts` in frames."""
    measured = [
        measure_frame(av.VideoFrame.from_ndarray(p, format="rgb24").reformat(format="yuv420p"), 0, False)
        for p in frames
    ]
    pairs = list(zip(measured, measured[1:], strict=False))
    single = {"luma", "shadows", "highlights", "sharpness"}
    return Scan(
        pts=np.arange(len(measured), dtype=np.int64) if pts is None else np.asarray(pts, np.int64),
        is_key=np.arange(len(measured)) == 0,
        timed=True,
        difference=np.array([0] + [compute_difference(a.small, b.small) for a, b in pairs], np.float32),
        mismatch=np.array([0] + [compute_mismatch(a.small, b.small) for a, b in pairs], np.float32),
        dhash=np.array([m.dhash for m in measured], np.uint64),
        thumb=np.stack([m.thumb for m in measured]),
        chroma=np.stack([m.chroma for m in measured]),
        **{name: np.array([getattr(m, name) for m in measured], np.float32) for name in single},
    )

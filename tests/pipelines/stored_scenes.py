"""Drawn scenes as a stored scan, in chunks of a given length."""

from collections.abc import Sequence
from fractions import Fraction

import av
import numpy as np

from humove.video.measure import measure_frame
from humove.video.probe import Probe
from humove.video.scan import DTYPES, ScanPart
from humove.video.scan_store import StoredScan, join_stored, write_parts
from tests.pipelines.scenes import HEIGHT, WIDTH, measure_scan

PROBE = Probe(
    width=WIDTH, height=HEIGHT, fps=Fraction(30), codec="h264", container="mov", coded_width=WIDTH,
    coded_height=HEIGHT, sar=Fraction(1), rotation=0, interlaced=False, full_range=False, matrix="bt601",
    time_base=Fraction(1, 30), promised_frames=0, duration_s=0, focal_35mm=0,
)  # fmt: skip


def _measure_small(frame: np.ndarray) -> np.ndarray:
    return measure_frame(av.VideoFrame.from_ndarray(frame, format="rgb24").reformat(format="yuv420p"), 0, False).small


def store_scan(
    frames: Sequence[np.ndarray], chunk_frames: int, pts: Sequence[int] | None = None
) -> tuple[StoredScan, list[str]]:
    """The stored scan of RGB frames at 30 fps, and the growing list of the chunks' names that are read."""
    whole = measure_scan(frames, pts)
    chunks: dict[str, bytes] = {}
    read: list[str] = []
    parts = (
        ScanPart(
            series={name: getattr(whole, name)[begin : begin + chunk_frames].copy() for name in DTYPES},
            first=_measure_small(frames[begin]),
            last=_measure_small(frames[min(begin + chunk_frames, len(frames)) - 1]),
            damage=None,
        )
        for begin in range(0, len(frames), chunk_frames)
    )
    names = write_parts(parts, chunks.__setitem__)

    def read_chunk(name: str) -> bytes:
        read.append(name)
        return chunks[name]

    return join_stored(names, read_chunk, PROBE, 0), read

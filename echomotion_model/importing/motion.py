"""A motion as a file has it: SMPL parameters in the file's own world; cut and resampled in time."""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from echomotion_model.importing.reasons import BadMotion, LeftOut
from humove.rotations import resample_linear, resample_rotations
from shards.motion_only_documents import FrameOfReference, MotionBody

_EXACT = 1e-6
"""Frames: nearer than this to a whole frame is that frame."""


_LARGEST = 1e4


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SourceMotion:
    """SMPL motion over N frames. All arrays are finite; rotations are axis-angle in radians, lengths metres."""

    global_orient: np.ndarray
    """(N, 3)"""
    body_pose: np.ndarray
    """(N, 23, 3)"""
    transl: np.ndarray
    """(N, 3)"""
    rest_joints: np.ndarray
    """(24, 3): of the true body with these betas, or of the open body."""
    betas: np.ndarray
    """(10,): zero where the open body stands in."""
    source_frames: np.ndarray
    """(N,) int64: the frame of the file that each row is, or is nearest to."""
    fps: Fraction
    frame: FrameOfReference
    body: MotionBody

    def __len__(self) -> int:
        return len(self.transl)

    def cut(self, start: int, end: int) -> "SourceMotion":
        """Rows start (inclusive) to end (exclusive)."""
        names = ("global_orient", "body_pose", "transl", "source_frames")
        return replace(self, **{name: getattr(self, name)[start:end] for name in names})

    def at_most(self, max_fps: int) -> "SourceMotion":
        """The same motion at `max_fps`, where it has more: slerp and linear, at instants within the span.

        Where the rate is a multiple of `max_fps` every row is a row of the file, exactly.
        """
        if self.fps <= max_fps:
            return self
        step = float(self.fps / max_fps)
        instants = np.arange(int((len(self) - 1) / step + _EXACT) + 1) * step
        whole = np.round(instants)
        instants = np.where(np.abs(instants - whole) < _EXACT, whole, instants)
        times = np.arange(len(self))
        return replace(
            self,
            global_orient=resample_rotations(self.global_orient, times, instants),
            body_pose=resample_rotations(self.body_pose, times, instants),
            transl=resample_linear(self.transl, times, instants),
            source_frames=self.source_frames[np.minimum(np.floor(instants + 0.5), len(self) - 1).astype(np.int64)],
            fps=Fraction(max_fps),
        )


def checked(**arrays: np.ndarray) -> None:
    """BadMotion where a number is not finite, or no metres and radians of a person."""
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            bad = np.count_nonzero(~np.isfinite(values))
            raise BadMotion(LeftOut.NOT_FINITE, f"{bad} of {values.size} values of {name} are NaN or infinite")
        if np.abs(values).max(initial=0) > _LARGEST:
            raise BadMotion(LeftOut.OUT_OF_RANGE, f"{name} reaches {np.abs(values).max():.3g}")


def checked_rate(fps: float) -> Fraction:
    """A file's frame rate as a fraction: whole where it is within 0.05 % of it (a BVH's 0.0333333 s are 30 fps)."""
    if not 1 <= fps <= 10_000:  # NaN is neither
        raise BadMotion(LeftOut.NO_FRAME_RATE, f"{fps} frames per second")
    whole = round(fps)
    return Fraction(whole) if abs(fps / whole - 1) < 5e-4 else Fraction(fps).limit_denominator(1001)


def pieces(count: int, fps: Fraction, max_seconds: float) -> list[tuple[int, int]]:
    """Spans that tile `count` rows, as equal as can be, none longer than `max_seconds`.

    Long recordings are cut so that an epoch doesn't show ten minutes of one take as seldom as two seconds of another,
    and so that a still camera can have all of a piece in view without standing far off.
    """
    number = max(1, -(-count // max(1, int(max_seconds * fps))))
    edges = [round(i * count / number) for i in range(number + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))

"""Motion from a file: SMPL parameters in the file's own world, with cutting and resampling in time."""

from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from echomotion_model.importing.reasons import BadMotion, SkipReason
from humove.motion.rotations import resample_linear, resample_rotations
from shards.motion_only.schemas import FrameOfReference, MotionBody

_FRAME_TOLERANCE = 1e-6
"""Instants closer than this to a whole frame, in frames, are rounded to it."""
_MAX_VALUE = 1e4


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
    """(10,): zero for the open body."""
    source_frames: np.ndarray
    """(N,) int64: the nearest frame of the file for each row."""
    fps: Fraction
    frame: FrameOfReference
    body: MotionBody

    def __len__(self) -> int:
        return len(self.transl)

    def cut(self, start: int, end: int) -> "SourceMotion":
        """Return rows start (inclusive) to end (exclusive)."""
        names = ("global_orient", "body_pose", "transl", "source_frames")
        return replace(self, **{name: getattr(self, name)[start:end] for name in names})

    def limit_fps(self, max_fps: int) -> "SourceMotion":
        """Resample motion with a higher rate to `max_fps`: slerp and linear, at instants within the span.

        If the rate is a multiple of `max_fps`, every row is exactly a row of the file.
        """
        if self.fps <= max_fps:
            return self
        step = float(self.fps / max_fps)
        instants = np.arange(int((len(self) - 1) / step + _FRAME_TOLERANCE) + 1) * step
        whole = np.round(instants)
        instants = np.where(np.abs(instants - whole) < _FRAME_TOLERANCE, whole, instants)
        times = np.arange(len(self))
        return replace(
            self,
            global_orient=resample_rotations(self.global_orient, times, instants),
            body_pose=resample_rotations(self.body_pose, times, instants),
            transl=resample_linear(self.transl, times, instants),
            source_frames=self.source_frames[np.minimum(np.floor(instants + 0.5), len(self) - 1).astype(np.int64)],
            fps=Fraction(max_fps),
        )


def check_arrays(**arrays: np.ndarray) -> None:
    """Raise BadMotion if a value is not finite, or too large for metres and radians of a person."""
    for name, values in arrays.items():
        if not np.isfinite(values).all():
            bad = np.count_nonzero(~np.isfinite(values))
            raise BadMotion(SkipReason.NOT_FINITE, f"{bad} of {values.size} values of {name} are NaN or infinite")
        if np.abs(values).max(initial=0) > _MAX_VALUE:
            raise BadMotion(SkipReason.OUT_OF_RANGE, f"{name} reaches {np.abs(values).max():.3g}")


def parse_rate(fps: float) -> Fraction:
    """Return a file's frame rate as a fraction: an integer if within 0.05 % (a BVH's 0.0333333 s are 30 fps)."""
    if not 1 <= fps <= 10_000:  # also False for NaN
        raise BadMotion(SkipReason.NO_FRAME_RATE, f"{fps} frames per second")
    whole = round(fps)
    return Fraction(whole) if abs(fps / whole - 1) < 5e-4 else Fraction(fps).limit_denominator(1001)


def split_pieces(count: int, fps: Fraction, max_seconds: float) -> list[tuple[int, int]]:
    """Split `count` rows into spans of nearly equal length, none longer than `max_seconds`.

    Long recordings are split so that an epoch samples ten minutes of one take more often than two seconds of another,
    and so that a static camera can keep a whole piece in view from a short distance.
    """
    number = max(1, -(-count // max(1, int(max_seconds * fps))))
    edges = [round(i * count / number) for i in range(number + 1)]
    return list(zip(edges[:-1], edges[1:], strict=True))

"""What a file of results says of one person, whatever program wrote it."""

from dataclasses import dataclass

import numpy as np


class NotUsable(ValueError):
    """A clip's file does not hold what the clip needs; the text says what, for outcomes.parquet."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Wanted:
    """What a clip needs of a file."""

    frames: np.ndarray
    """(K,) int64, ascending, each once: the frames to be read, counted as the file counts them."""
    total: int
    """How many frames the file must speak of where it doesn't number them."""
    width: int
    height: int
    """The source's picture, px as displayed."""

    def rows_of(self, frame_ids: object, count: int) -> tuple[np.ndarray, np.ndarray]:
        """(frames (M,), rows (M,)) of a file with `count` rows that are among the wanted ones, ascending.

        `frame_ids` is the file's own numbering, None where it has none and row i is frame i. Errors: NotUsable where
        the numbering is none, is missing in a file of another length, or has none of the wanted frames.
        """
        if frame_ids is None:
            if count != self.total:
                raise NotUsable(f"{count} rows that are not numbered, for {self.total} frames")
            return self.frames, self.frames
        numbers = np.asarray(frame_ids)
        if numbers.shape != (count,) or numbers.dtype.kind not in "iu" or len(np.unique(numbers)) != count:
            raise NotUsable(f"frame_ids {numbers.dtype}{numbers.shape} do not number {count} rows")
        _, at, _ = np.intersect1d(numbers, self.frames, return_indices=True)
        if not len(at):
            raise NotUsable(f"none of the frames {self.frames[0]} to {self.frames[-1]} is in it")
        return numbers[at].astype(np.int64), at


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Picture:
    """The picture that a program looked at, and the camera it took for it."""

    width: float
    height: float
    focal_px: np.ndarray
    """(M,) px, one a row, across and down alike; the principal point is the picture's middle."""
    detail: str
    """Where the focal length comes from, for people."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Found:
    """SMPL parameters of M frames in the camera's frame (OpenCV's axes), metres and radians."""

    frames: np.ndarray
    """(M,) int64, ascending: those of the wanted frames that the file speaks of."""
    betas: np.ndarray
    """(M, 10)."""
    pose: np.ndarray
    """(M, 24, 3) axis-angle, the root first."""
    transl: np.ndarray
    """(M, 3) m, of the body's origin, as in SMPL."""
    picture: Picture
    camera_path: tuple[np.ndarray, np.ndarray] | None = None
    """(M, 3, 3) rotations and (M, 3) m positions of the camera in a world with y up; None where it is not known."""


def rows(value: object, shape: tuple[int | str, ...], name: str) -> np.ndarray:
    """The array as float64; "N" stands for any length. Errors: NotUsable where it has another shape or isn't finite."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise NotUsable(f"{name} is no array of numbers") from error
    if array.ndim != len(shape) or any(want not in ("N", got) for got, want in zip(array.shape, shape, strict=True)):
        raise NotUsable(f"{name} has shape {array.shape}, wanted {tuple(shape)}")
    if not np.isfinite(array).all():
        raise NotUsable(f"{name} holds numbers that are not finite")
    return array

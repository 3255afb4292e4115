"""The common form of one person's results of all programs."""

from dataclasses import dataclass

import numpy as np


class UnusableFile(ValueError):
    """A clip's file lacks what the clip needs; the message is stored in outcomes.parquet."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class FrameRequest:
    """The frames of a file that a clip needs."""

    frames: np.ndarray
    """(K,) int64, ascending, unique: the frames to read, numbered as in the file."""
    total: int
    """Required number of rows of a file that does not number them."""
    width: int
    height: int
    """Size of the source's frames, px as displayed."""

    def select_rows(self, frame_ids: object, count: int) -> tuple[np.ndarray, np.ndarray]:
        """Select the requested frames among a file's `count` rows: (frames (M,), rows (M,)), ascending.

        `frame_ids` is the file's own numbering, None if it has none and row i is frame i. Errors: UnusableFile if the
        numbering is invalid, is missing in a file of another length, or has none of the requested frames.
        """
        if frame_ids is None:
            if count != self.total:
                raise UnusableFile(f"{count} rows that are not numbered, for {self.total} frames")
            return self.frames, self.frames
        numbers = np.asarray(frame_ids)
        if numbers.shape != (count,) or numbers.dtype.kind not in "iu" or len(np.unique(numbers)) != count:
            raise UnusableFile(f"frame_ids {numbers.dtype}{numbers.shape} do not number {count} rows")
        _, at, _ = np.intersect1d(numbers, self.frames, return_indices=True)
        if not len(at):
            raise UnusableFile(f"none of the frames {self.frames[0]} to {self.frames[-1]} is in it")
        return numbers[at].astype(np.int64), at


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ImageCamera:
    """The camera that a program assumed for its images."""

    width: float
    height: float
    focal_px: np.ndarray
    """(M,) px, one per row, equal across and down; the principal point is the image's centre."""
    detail: str
    """Source of the focal length, for readers."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class PersonMotion:
    """SMPL parameters of M frames in the camera's frame (OpenCV's axes), metres and radians."""

    frames: np.ndarray
    """(M,) int64, ascending: the requested frames that the file has."""
    betas: np.ndarray
    """(M, 10)."""
    pose: np.ndarray
    """(M, 24, 3) axis-angle, the root first."""
    transl: np.ndarray
    """(M, 3) m, of the body's origin, as in SMPL."""
    camera: ImageCamera
    camera_path: tuple[np.ndarray, np.ndarray] | None = None
    """(M, 3, 3) rotations and (M, 3) m positions of the camera in a world with y up; None if it is not known."""


def check_array(value: object, shape: tuple[int | str, ...], name: str) -> np.ndarray:
    """Return the array as float64; "N" is any length. Errors: UnusableFile if it has another shape or isn't finite."""
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise UnusableFile(f"{name} is no array of numbers") from error
    if array.ndim != len(shape) or any(want not in ("N", got) for got, want in zip(array.shape, shape, strict=True)):
        raise UnusableFile(f"{name} has shape {array.shape}, wanted {tuple(shape)}")
    if not np.isfinite(array).all():
        raise UnusableFile(f"{name} holds numbers that are not finite")
    return array

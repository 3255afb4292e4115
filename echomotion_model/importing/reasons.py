"""Why a file or a listed clip gives no sample."""

from enum import StrEnum


class SkipReason(StrEnum):
    """The reason in outcomes.parquet and in the counts."""

    UNREADABLE = "unreadable"
    """Not an npz or BVH file, truncated, or damaged."""
    PICKLED = "pickled"
    """Its arrays would have to be unpickled, which could run code."""
    NO_MOTION = "no_motion"
    """An npz without poses: a subject's shape, a calibration."""
    NO_FRAME_RATE = "no_frame_rate"
    BAD_SHAPE = "bad_shape"
    NOT_FINITE = "not_finite"
    OUT_OF_RANGE = "out_of_range"
    """Values beyond ten thousand metres or radians: in another unit, or damaged."""
    TOO_SHORT = "too_short"
    SMPLX_BODY = "smplx_body"
    """SMPL-X has another pelvis and shape space: use the SMPL+H files of the same motion."""
    UNKNOWN_SKELETON = "unknown_skeleton"
    DUPLICATE = "duplicate"
    NO_SMPL_PARAMETERS = "no_smpl_parameters"
    """HumanML3D's clips from HumanAct12 have joint positions only."""
    FILE_MISSING = "file_missing"
    BAD_ROW = "bad_row"
    NO_TEXT = "no_text"


class BadMotion(Exception):
    """An input gives no sample: it is recorded with its reason and skipped."""

    def __init__(self, reason: SkipReason, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, " ".join(detail.split())[:300]

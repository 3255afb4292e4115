"""Why a file or a listed clip gives no sample."""

from enum import StrEnum


class LeftOut(StrEnum):
    """The reason in outcomes.parquet and in the counts."""

    UNREADABLE = "unreadable"
    """No npz or BVH file, cut short, or damaged."""
    PICKLED = "pickled"
    """Its arrays would have to be unpickled, which could run code."""
    NO_MOTION = "no_motion"
    """An npz with no poses: a subject's shape, a calibration."""
    NO_FRAME_RATE = "no_frame_rate"
    BAD_SHAPE = "bad_shape"
    NOT_FINITE = "not_finite"
    OUT_OF_RANGE = "out_of_range"
    """Metres or radians beyond ten thousand: of another unit, or damaged."""
    TOO_SHORT = "too_short"
    SMPLX_BODY = "smplx_body"
    """Of SMPL-X, whose pelvis and shape space are others: the SMPL+H files of the same motion are wanted."""
    UNKNOWN_SKELETON = "unknown_skeleton"
    DUPLICATE = "duplicate"
    NO_SMPL_PARAMETERS = "no_smpl_parameters"
    """HumanML3D's clips from HumanAct12 are joint positions alone."""
    FILE_MISSING = "file_missing"
    BAD_ROW = "bad_row"
    NO_TEXT = "no_text"


class BadMotion(Exception):
    """An input that gives no sample: counted, named, and passed over."""

    def __init__(self, reason: LeftOut, detail: str) -> None:
        super().__init__(detail)
        self.reason, self.detail = reason, " ".join(detail.split())[:300]

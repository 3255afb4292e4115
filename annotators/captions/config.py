"""What a user may set about captions."""

from pydantic import Field

from humove.config import Strict


class CaptionConfig(Strict):
    """How much evidence a statement needs. Lengths are in body lengths (the person's own stature)."""

    annotator: str = Field("kinematics", description="who writes the captions")
    min_confidence: float = Field(
        0.3, ge=0, le=1, description="frames whose motion is less certain than this are left out of every statement"
    )
    min_visibility: float = Field(
        0.5, ge=0, le=1, description="a limb is spoken of only while its keypoints score at least this"
    )
    picture_samples: int = Field(8, ge=1, le=64, description="frames whose pictures are looked at for colours")
    camera_pairs: int = Field(12, ge=1, le=64, description="pairs of frames compared to tell whether the camera moves")
    quick: float = Field(
        1.6, gt=0, description="body lengths a second: a limb that travels faster on average moves quickly"
    )
    slow: float = Field(
        0.36, gt=0, description="body lengths a second: a limb that travels slower on average moves slowly"
    )
    max_clauses: int = Field(5, ge=1, le=12, description="at most this many movements are told; the largest are kept")

"""What a user may set about captions."""

from pydantic import Field

from annotators.endpoint.config import EndpointConfig
from annotators.vlm.config import VlmConfig
from humove.bars import stage_bars
from humove.config import Strict
from humove.reasons import Reason


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
    endpoint: EndpointConfig = EndpointConfig()
    vlm: VlmConfig = VlmConfig()
    min_words: float = Field(5, ge=0, description="a written caption with fewer words is dropped")
    max_words: float = Field(400, ge=1, description="a written caption with more words is dropped")
    max_repetition: float = Field(
        0.3, ge=0, le=1, description="at most this share of a written caption's runs of four words may be said before"
    )
    max_refusal: float = Field(
        0,
        ge=0,
        le=1,
        description="0: a clip that the model declines to describe is dropped; 1: it keeps its measured caption",
    )


BARS = stage_bars(
    "caption",
    "first",
    CaptionConfig,
    ("max_refusal", "caption_refused", Reason.BAD_CAPTION, "the model declined to describe the clip", 0, 1),
    ("min_words", "caption_words", Reason.BAD_CAPTION, "a caption of {score:.0f} words", 0, 100),
    ("max_words", "caption_words", Reason.BAD_CAPTION, "a caption of {score:.0f} words", 0, 1000),
    ("max_repetition", "caption_repetition", Reason.BAD_CAPTION, "{score:.0%} of the caption is repetition", 0, 1),
    optional=("min_words", "max_words", "max_repetition", "max_refusal"),
)  # fmt: skip
"""Only captions that a model wrote are held against these: the built-in ones are what they are."""

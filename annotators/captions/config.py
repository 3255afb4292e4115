"""Settings of captions."""

from pydantic import Field

from annotators.endpoint.config import EndpointConfig
from annotators.vlm.config import VlmConfig
from humove.config.strict import Strict
from humove.config.thresholds import make_stage_thresholds
from humove.reasons import Reason


class CaptionConfig(Strict):
    """Which captioner runs, and how much evidence a statement needs. Lengths are in body lengths (stature)."""

    annotator: str = Field("kinematics", description="the annotator that writes the captions")
    min_confidence: float = Field(0.3, ge=0, le=1, description="frames with lower motion confidence are ignored")
    min_visibility: float = Field(
        0.5, ge=0, le=1, description="a limb is described only while its keypoints score at least this"
    )
    picture_samples: int = Field(8, ge=1, le=64, description="frames that are analysed for colours")
    camera_pairs: int = Field(12, ge=1, le=64, description="pairs of frames compared to detect camera motion")
    quick: float = Field(1.6, gt=0, description="body lengths a second: a limb with a higher mean speed moves quickly")
    slow: float = Field(0.36, gt=0, description="body lengths a second: a limb with a lower mean speed moves slowly")
    max_clauses: int = Field(5, ge=1, le=12, description="maximum movements in a caption; the largest are kept")
    endpoint: EndpointConfig = EndpointConfig()
    vlm: VlmConfig = VlmConfig()
    min_words: float = Field(5, ge=0, description="a model's caption with fewer words is dropped")
    max_words: float = Field(400, ge=1, description="a model's caption with more words is dropped")
    max_repetition: float = Field(
        0.3, ge=0, le=1, description="largest share of a model's caption that repeats runs of four words"
    )
    max_refusal: float = Field(
        0,
        ge=0,
        le=1,
        description="0: a clip that the model refuses to describe is dropped; 1: it keeps its measured caption",
    )


THRESHOLDS = make_stage_thresholds(
    "caption",
    "first",
    CaptionConfig,
    ("max_refusal", "caption_refused", Reason.BAD_CAPTION, "the model refused to describe the clip", 0, 1),
    ("min_words", "caption_words", Reason.BAD_CAPTION, "a caption of {score:.0f} words", 0, 100),
    ("max_words", "caption_words", Reason.BAD_CAPTION, "a caption of {score:.0f} words", 0, 1000),
    ("max_repetition", "caption_repetition", Reason.BAD_CAPTION, "{score:.0%} of the caption is repetition", 0, 1),
    optional=("min_words", "max_words", "max_repetition", "max_refusal"),
)  # fmt: skip
"""These apply to captions that a model wrote, not to the built-in ones."""

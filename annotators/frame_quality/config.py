"""Settings of frame quality."""

from pydantic import Field

from humove.config.strict import Strict


class FrameQualityConfig(Strict):
    """Thresholds for the stored frames. By default every clip passes: set them once the scores are known."""

    places: int = Field(
        4, ge=2, le=32, description="places in the clip that are analysed, spread evenly, of three frames each"
    )
    min_technical_quality: float = Field(
        0.0, ge=0, le=1, description="technical quality, the worst grade of detail, blockiness, noise and contrast:"
        " 0 bad, 1 faultless"
    )  # fmt: skip
    max_text_share: float = Field(
        1.0, ge=0, le=1, description="largest share of the frame covered by text at a time; a line of subtitles has"
        " 0.01 to 0.03"
    )  # fmt: skip
    max_watermark_share: float = Field(
        1.0, ge=0, le=1, description="largest share of the frame covered by static marks before a moving background;"
        " 0 with a still camera, where they cannot be detected"
    )  # fmt: skip

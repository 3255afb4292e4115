"""What a user may set about the picture."""

from pydantic import Field

from humove.config import Strict


class PictureConfig(Strict):
    """The bars for the stored picture. As they stand nothing misses them: set them once the scores are known."""

    places: int = Field(
        4, ge=2, le=32, description="the clip is looked at in so many places, evenly spread, on three frames each"
    )
    min_technical_quality: float = Field(
        0.0, ge=0, le=1, description="how well the picture is recorded, by the worst of its detail, blocks, noise and"
        " contrast: 0 bad, 1 faultless"
    )  # fmt: skip
    max_text_share: float = Field(
        1.0, ge=0, le=1, description="share of the picture that text covers, where there is most of it at a time; a"
        " line of subtitles has 0.01 to 0.03"
    )  # fmt: skip
    max_watermark_share: float = Field(
        1.0, ge=0, le=1, description="share of the picture covered by marks that stand still while the picture behind"
        " them moves; with a still camera it cannot be told and is 0"
    )  # fmt: skip

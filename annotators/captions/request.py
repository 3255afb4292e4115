"""What every captioner that asks a model may be told to ask."""

from pydantic import Field

from humove.config import Strict


class RequestConfig(Strict):
    """What is asked; common to all captioners that are asked."""

    frames: int = Field(8, ge=1, le=64, description="frames of the clip that are shown, spread evenly over it")
    max_side: int = Field(512, ge=64, le=4096, description="the frames' longer side is shrunk to this, px")
    max_words: int = Field(120, ge=10, le=1000, description="how long the full caption may be, as the prompt says it")
    max_tokens: int = Field(768, ge=32, le=16384, description="an answer that is longer is cut off and asked for anew")
    facts: bool = Field(
        False, description="tell the model what was measured of the motion: movements, their order, sides, counts"
    )
    category: bool = Field(False, description="have the model choose one of the 38 categories as well")
    instruction: str = Field("", description="a sentence of your own, put at the end of the prompt")

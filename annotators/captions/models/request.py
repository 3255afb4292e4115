"""Settings common to all captioners that ask a model."""

from pydantic import Field

from humove.config.strict import Strict


class RequestConfig(Strict):
    """What a model gets and is asked."""

    frames: int = Field(8, ge=1, le=64, description="frames of the clip for the model, spread evenly over it")
    max_side: int = Field(
        512, ge=64, le=4096, description="largest longer side of the frames, px; larger ones are shrunk"
    )
    max_words: int = Field(
        120, ge=10, le=1000, description="maximum words of the full caption, as stated in the prompt"
    )
    max_tokens: int = Field(
        768, ge=32, le=16384, description="maximum tokens of an answer; a longer one is cut off and requested again"
    )
    facts: bool = Field(False, description="add the measured movements to the prompt: their order, sides, counts")
    category: bool = Field(False, description="also ask the model for one of the 38 categories")
    instruction: str = Field("", description="a sentence that is appended to the prompt")

"""What a user sets about categories."""

from typing import Literal

from pydantic import Field

from annotators.user_weights import UserWeights
from humove.config import Strict, execution_field

CategorySource = Literal["manifest", "folder", "model", "keywords", "clip"]


class ClipZeroShotConfig(Strict):
    """A CLIP as transformers saves it, and how sure it must be."""

    weights: UserWeights = UserWeights()
    frames: int = Field(8, ge=1, le=64, description="frames of the clip that are looked at, spread evenly over it")
    template: str = Field(
        "a photo of a person {}.", pattern=r"\{\}", description="the sentence that a class's phrase is put into"
    )
    half: bool = Field(False, description="float16 on a GPU; a CPU keeps float32")
    batch_size: int = execution_field(32, ge=1, description="frames at a time; halved where the GPU's memory runs out")


class CategoryConfig(Strict):
    """Who says which category a clip has."""

    sources: tuple[CategorySource, ...] = Field(
        ("manifest", "folder"),
        description="the first that knows a category is believed: the manifest; the first folder below VIDEOS; "
        "model: the one that wrote the caption (caption.endpoint.category or caption.vlm.category); keywords of "
        "such a caption; clip: zero-shot classification of the pictures",
    )
    annotator: Literal["clip"] = Field("clip", description="what classifies pictures, where sources name it")
    min_probability: float = Field(
        0.5, ge=0, le=1, description="a class that CLIP finds less likely than this among the 38 is not taken"
    )
    clip: ClipZeroShotConfig = ClipZeroShotConfig()

    @property
    def looks(self) -> bool:
        """Whether the pictures are to be classified."""
        return "clip" in self.sources

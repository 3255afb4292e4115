"""Settings of categories."""

from typing import Literal

from pydantic import Field

from annotators.weights.user_files import UserWeights
from humove.config.strict import Strict, execution_field

CategorySource = Literal["manifest", "folder", "model", "keywords", "clip"]


class ClipZeroShotConfig(Strict):
    """A CLIP as transformers saves it, and how it classifies."""

    weights: UserWeights = UserWeights()
    frames: int = Field(8, ge=1, le=64, description="frames of the clip that are classified, spread evenly over it")
    template: str = Field(
        "a photo of a person {}.", pattern=r"\{\}", description="the sentence for a class; {} is its phrase"
    )
    half: bool = Field(False, description="float16 on a GPU; a CPU keeps float32")
    batch_size: int = execution_field(32, ge=1, description="frames at a time; halved if the GPU's memory runs out")


class CategoryConfig(Strict):
    """The sources of a clip's category."""

    sources: tuple[CategorySource, ...] = Field(
        ("manifest", "folder"),
        description="sources in order; the first with a category counts: manifest; folder: the first below VIDEOS; "
        "model: the one that wrote the caption (caption.endpoint.category or caption.vlm.category); keywords in "
        "such a caption; clip: zero-shot classification of frames",
    )
    annotator: Literal["clip"] = Field("clip", description="the annotator that classifies frames, if sources has clip")
    min_probability: float = Field(0.5, ge=0, le=1, description="least probability of the best of the 38 classes")
    clip: ClipZeroShotConfig = ClipZeroShotConfig()

    @property
    def enabled(self) -> bool:
        """Whether frames are classified."""
        return "clip" in self.sources

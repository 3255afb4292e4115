"""The settings of the ultralytics annotator: `track.ultralytics` of the configuration."""

from typing import Literal

from pydantic import Field

from annotators.user_weights import UserWeights
from humove.config import Strict, execution_field


class UltralyticsConfig(Strict):
    """A YOLO model that finds people, and a tracker that gives each of them one id."""

    weights: UserWeights = Field(
        UserWeights(),
        description="a .pt of ultralytics: a detect, pose or segment model with a class `person`",
    )
    tracker: Literal["bytetrack", "botsort"] = Field(
        "bytetrack", description="botsort also takes the camera's own motion out, and costs CPU time"
    )
    every: int = Field(
        1, ge=1, description="the model looks at every so many frames; far apart, people who move fast change their id"
    )
    image_size: int = Field(640, ge=32, multiple_of=32, description="the frame's longer side as the model sees it, px")
    min_confidence: float = Field(0.25, ge=0.1, le=1, description="a find below this is nobody")
    second_person_area_ratio: float = Field(
        0.3, gt=0, le=1, description="someone else counts from this share of the main person's box area on"
    )
    max_lost_s: float = Field(
        1.0, ge=0, description="seconds: someone who is out of sight for longer comes back as another person"
    )
    half: bool = Field(False, description="half precision: faster, on a GPU only")
    batch: int = execution_field(16, ge=1, description="frames that the model is given at once")

"""Settings of the ultralytics annotator, `track.ultralytics`."""

from typing import Literal

from pydantic import Field

from annotators.weights.user_files import UserWeights
from humove.config.strict import Strict, execution_field


class UltralyticsConfig(Strict):
    """A YOLO model that detects people, and a tracker that gives each of them one id."""

    weights: UserWeights = Field(
        UserWeights(),
        description="a .pt of ultralytics: a detect, pose or segment model with a class `person`",
    )
    tracker: Literal["bytetrack", "botsort"] = Field(
        "bytetrack", description="botsort also compensates camera motion, and costs CPU time"
    )
    every: int = Field(
        1, ge=1, description="the model runs on every Nth frame; with a large N people who move fast change their id"
    )
    image_size: int = Field(640, ge=32, multiple_of=32, description="the longer side of the model's input, px")
    min_confidence: float = Field(0.25, ge=0.1, le=1, description="detections below this score are not people")
    second_person_area_ratio: float = Field(
        0.3, gt=0, le=1, description="another person counts from this share of the main person's box area"
    )
    max_lost_s: float = Field(1.0, ge=0, description="seconds: a person who is lost for longer gets a new id")
    half: bool = Field(False, description="half precision: faster, on a GPU only")
    batch: int = execution_field(16, ge=1, description="frames per batch")

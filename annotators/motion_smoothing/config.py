"""Settings of the smoothing."""

from pydantic import Field

from humove.config import Strict


class SmoothingConfig(Strict):
    """How a motion that was found frame by frame is made one in time."""

    width_s: float = Field(
        0.1,
        ge=0,
        le=1,
        description="standard deviation in time of the local fit, in seconds; 0 leaves the poses as they are",
    )

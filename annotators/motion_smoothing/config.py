"""Settings of the smoothing."""

from pydantic import Field

from humove.config.strict import Strict


class SmoothingConfig(Strict):
    """Smoothing of a motion that was estimated frame by frame."""

    width_s: float = Field(
        0.1,
        ge=0,
        le=1,
        description="standard deviation in time of the local fit, in seconds; 0 turns smoothing off",
    )

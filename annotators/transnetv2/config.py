"""The settings of TransNetV2: `split.transnetv2` of the configuration."""

from pydantic import Field

from humove.config.strict import Strict


class TransNetV2Config(Strict):
    """Decision on the network's two outputs for a frame: a change here, a frame of a transition."""

    threshold: float = Field(0.5, gt=0, lt=1, description="least probability of a change; higher finds fewer")

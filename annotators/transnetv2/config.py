"""The settings of TransNetV2: `split.transnetv2` of the configuration."""

from pydantic import Field

from humove.config import Strict


class TransNetV2Config(Strict):
    """What is made of the network's two answers for a frame: a change here, a frame of a transition."""

    threshold: float = Field(0.5, gt=0, lt=1, description="from this probability on; higher finds fewer changes")

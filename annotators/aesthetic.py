"""How pleasing a clip's picture is, by an annotator of the kind `aesthetic`, and the bar for it."""

from collections.abc import Mapping

from pydantic import Field

from annotators.laion.config import LaionConfig
from humove.bars import stage_bars
from humove.config import Strict
from humove.reasons import Reason
from humove.stage import Reject


class AestheticConfig(Strict):
    """Which model scores the picture, and what a clip must reach. Off unless an annotator is named."""

    annotator: str = Field("none", description="which model scores the picture: laion; none: nothing is scored")
    frames: int = Field(
        4, ge=1, le=64, description="frames of a clip that are scored, spread evenly; their mean counts"
    )
    min_score: float = Field(
        0.0, ge=-100, le=100, description="least score; LAION's runs from about 1 to 10, and most footage has 4 to 6"
    )
    laion: LaionConfig = LaionConfig()

    @property
    def looks(self) -> bool:
        """Whether anything is scored."""
        return self.annotator != "none"


BARS = stage_bars(
    "aesthetic",
    "first",
    AestheticConfig,
    ("min_score", "aesthetic", Reason.LOW_AESTHETIC, "aesthetic score {score:.2f} is below {bar}", 0, 10),
)


def judge(scores: Mapping[str, float], config: AestheticConfig) -> Reject | None:
    """The verdict on a clip's score; None where it is met."""
    return BARS.judge(scores, config)

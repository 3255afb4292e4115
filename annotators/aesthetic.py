"""The aesthetic score of a clip, by an annotator of the kind `aesthetic`, and its threshold."""

from collections.abc import Mapping

from pydantic import Field

from annotators.laion.config import LaionConfig
from humove.config.strict import Strict
from humove.config.thresholds import make_stage_thresholds
from humove.reasons import Reason
from humove.stage import Reject


class AestheticConfig(Strict):
    """The model that scores frames, and the least score of a clip. Off unless an annotator is named."""

    annotator: str = Field("none", description="the model that scores frames: laion; none: no scoring")
    frames: int = Field(
        4, ge=1, le=64, description="frames of a clip that are scored, spread evenly; the score is their mean"
    )
    min_score: float = Field(
        0.0, ge=-100, le=100, description="least score; LAION's ranges from about 1 to 10, and most footage has 4 to 6"
    )
    laion: LaionConfig = LaionConfig()

    @property
    def enabled(self) -> bool:
        """Whether anything is scored."""
        return self.annotator != "none"


THRESHOLDS = make_stage_thresholds(
    "aesthetic",
    "first",
    AestheticConfig,
    ("min_score", "aesthetic", Reason.LOW_AESTHETIC, "aesthetic score {score:.2f} is below {limit}", 0, 10),
)


def judge_aesthetic(scores: Mapping[str, float], config: AestheticConfig) -> Reject | None:
    """Return the rejection of a clip by its score; None if it passes."""
    return THRESHOLDS.judge(scores, config)

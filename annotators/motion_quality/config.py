"""Thresholds on a clip's motion, and the verdict on its scores."""

from pydantic import Field

from humove.config.strict import Strict
from humove.config.thresholds import make_stage_thresholds
from humove.reasons import Reason
from humove.stage import Reject


class QualityConfig(Strict):
    """Thresholds on a clip's motion; a clip that misses one is rejected as low_motion_quality."""

    min_valid_share: float = Field(0.8, ge=0, le=1, description="Least share of frames on which the person was found.")
    max_loss_s: float = Field(
        2.0,
        gt=0,
        description="Longest time for which the person may be lost at once, in seconds; shorter losses are "
        "interpolated and marked invalid.",
    )
    min_confidence: float = Field(0.25, ge=0, le=1, description="Least mean confidence of the motion over all frames.")
    max_reprojection_pct: float = Field(
        8.0,
        gt=0,
        description="Largest median distance of the body's limb joints from the 2D keypoints, in % of the box.",
    )
    max_mirror_disagreement_mm: float = Field(
        220.0,
        gt=0,
        description="Largest median distance between the limbs in the frame and in its mirror image; measured if "
        "pose2d gives points in metres.",
    )
    max_jitter: float = Field(
        300.0,
        gt=0,
        description="Largest mean third derivative of the joints relative to the pelvis, m/s^3 at 30 frames/s.",
    )
    max_bone_spread: float = Field(
        0.25,
        gt=0,
        description="Largest spread over time of the landmarks' limb lengths, as a share of their median; measured "
        "if pose2d gives points in metres.",
    )


THRESHOLDS = make_stage_thresholds(
    "quality",
    "first",
    QualityConfig,
    ("min_valid_share", "valid_share", Reason.LOW_MOTION_QUALITY,
     "the person was found on {score:.0%} of the frames", 0, 1),
    ("max_loss_s", "longest_loss_s", Reason.LOW_MOTION_QUALITY,
     "the person is lost for {score:.1f} s", 0.1, 3),
    ("min_confidence", "mean_confidence", Reason.LOW_MOTION_QUALITY,
     "mean confidence of the motion is {score:.2f}", 0, 1),
    ("max_reprojection_pct", "reprojection_pct", Reason.LOW_MOTION_QUALITY,
     "the body is {score:.1f} % of the box off the keypoints", 0.1, 20),
    ("max_mirror_disagreement_mm", "mirror_disagreement_mm", Reason.LOW_MOTION_QUALITY,
     "frame and mirror image differ by {score:.0f} mm", 1, 500),
    ("max_jitter", "jitter", Reason.LOW_MOTION_QUALITY, "the motion jitters by {score:.0f} m/s^3", 1, 600),
    ("max_bone_spread", "bone_spread", Reason.LOW_MOTION_QUALITY,
     "limb lengths vary by {score:.0%} over the clip", 0.01, 1),
    optional=("max_loss_s", "max_mirror_disagreement_mm", "max_bone_spread"),
)  # fmt: skip


def judge_motion(scores: dict[str, float], config: QualityConfig) -> Reject | None:
    """Return the first threshold that the clip misses, or None. Missing scores (no valid frame) count as missed."""
    return THRESHOLDS.judge(scores, config)

"""Settings of the landmark fit."""

from pydantic import Field

from annotators.weights.user_files import UserWeights
from humove.config.strict import Strict


class LandmarkFitConfig(Strict):
    """Settings of the fit of SMPL motion to landmarks.

    The landmark model's metres do not show the stature (correlation with the true stature of 1,200 rendered clips:
    0.1), so the scale is a setting.
    """

    stature_m: float = Field(
        1.70,
        gt=0.5,
        lt=2.5,
        description="Stature that people are assumed to have, in metres: it sets the motion's scale.",
    )
    limb_freedom: float = Field(
        0.3, ge=0, le=1,
        description="How far limb lengths follow the landmarks: 0 keeps the body's own, 1 uses the measured ones, "
        "within 15 %.",
    )  # fmt: skip
    iterations: int = Field(120, ge=0, le=2000, description="Steps of the optimiser over the whole clip.")
    weight_3d: float = Field(1.0, ge=0, description="Weight of the distance to the metric 3D landmarks.")
    weight_2d: float = Field(
        4.0, ge=0, description="Weight of the distance to the image landmarks, at the person's depth."
    )
    weight_motion: float = Field(1.0, ge=0, description="Weight of the joints' acceleration: larger is smoother.")
    weight_pose: float = Field(4.0, ge=0, description="Weight of the pose prior, taken from motion capture.")
    weight_limits: float = Field(1.0, ge=0, description="Weight of the joint limits.")
    repair: bool = Field(True, description="Exchange left and right where the landmark model swapped them.")
    smooth_s: float = Field(0.05, ge=0, le=1, description="Width of the final smoothing in seconds; 0 turns it off.")
    smpl: UserWeights = Field(
        UserWeights(),
        description="An SMPL file: the npz of humove convert-smpl, or the official pickle. With it the body is SMPL's, "
        "with betas fitted to the clip; without it a free stand-in of the same joints. Non-commercial.",
    )

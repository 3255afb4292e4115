"""Settings of NLF."""

from pydantic import Field

from annotators.motion_smoothing.config import SmoothingConfig
from annotators.weights.user_files import UserWeights
from humove.config.strict import Strict, execution_field


class NlfConfig(Strict):
    """SMPL motion by NLF, estimated frame by frame, then smoothed."""

    weights: UserWeights = Field(
        UserWeights(), description="the multi-person TorchScript file, nlf_l_multi_*.torchscript, 0.2.2 or later"
    )
    flip: bool = Field(
        False,
        description="average with the mirrored frame; confidence falls where the two disagree; doubles the cost",
    )
    num_aug: int = Field(
        1, ge=1, le=16, description="NLF's augmentations (rotated, scaled, mirrored crops) on each frame"
    )
    batch_size: int = execution_field(16, ge=1, description="frames per batch")
    smoothing: SmoothingConfig = SmoothingConfig()

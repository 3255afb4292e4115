"""Settings of NLF."""

from pydantic import Field

from annotators.motion_smoothing.config import SmoothingConfig
from annotators.user_weights import UserWeights
from humove.config import Strict, execution_field


class NlfConfig(Strict):
    """SMPL motion by NLF, frame by frame from the pictures, then smoothed."""

    weights: UserWeights = Field(
        UserWeights(), description="the multi-person TorchScript file, nlf_l_multi_*.torchscript, 0.2.2 or later"
    )
    flip: bool = Field(
        False,
        description="look at the mirrored picture as well and take the mean; where the two disagree confidence falls; "
        "costs as much again",
    )
    num_aug: int = Field(
        1, ge=1, le=16, description="NLF's own augmentations (turned, scaled, mirrored crops) on each frame"
    )
    batch_size: int = execution_field(16, ge=1, description="frames that are looked at at once")
    smoothing: SmoothingConfig = SmoothingConfig()

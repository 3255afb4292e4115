"""The settings of pose2d.rtmlib."""

from pydantic import Field

from annotators.user_weights import UserWeights
from humove.config import Strict, execution_field


class RtmlibConfig(Strict):
    """Whose network: the file says its size and its keypoints."""

    weights: UserWeights = Field(
        UserWeights(),
        description="an RTMPose or DWPose in ONNX, with 17 keypoints (body) or 133 (whole body)",
    )
    batch_size: int = execution_field(32, ge=1, description="frames at once; halved where the GPU's memory runs out")

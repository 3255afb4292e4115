"""Settings of pose2d.rtmlib."""

from pydantic import Field

from annotators.weights.user_files import UserWeights
from humove.config.strict import Strict, execution_field


class RtmlibConfig(Strict):
    """The network; the file determines its size and keypoints."""

    weights: UserWeights = Field(
        UserWeights(),
        description="an RTMPose or DWPose in ONNX, with 17 keypoints (body) or 133 (whole body)",
    )
    batch_size: int = execution_field(32, ge=1, description="frames per batch; halved if the GPU runs out of memory")

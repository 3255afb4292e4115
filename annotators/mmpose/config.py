"""Settings of pose2d.mmpose."""

from typing import Literal

from pydantic import Field

from annotators.weights.user_files import UserWeights
from humove.config.strict import Strict, execution_field

Model = Literal[
    "rtmpose-t-body-256x192",
    "rtmpose-s-body-256x192",
    "rtmpose-m-body-256x192",
    "rtmpose-l-body-256x192",
    "rtmpose-m-body-384x288",
    "rtmpose-l-body-384x288",
    "rtmpose-t-wholebody-256x192",
    "rtmpose-s-wholebody-256x192",
    "rtmpose-m-wholebody-256x192",
    "rtmpose-l-wholebody-256x192",
    "rtmpose-x-wholebody-256x192",
    "rtmpose-l-wholebody-384x288",
    "rtmpose-x-wholebody-384x288",
]


class MMPoseConfig(Strict):
    """The network and its weights."""

    model: Model = Field(
        "rtmpose-m-wholebody-256x192",
        description="the network: size, keypoints (17 of the body, or 133 with face, hands and feet) and input; "
        "DWPose's weights are those of the whole-body network of their size",
    )
    weights: UserWeights = Field(UserWeights(), description="an mmpose checkpoint (.pth) of that network")
    flip: bool = Field(
        False,
        description="average with the mirrored frame, as mmpose's tests do: a little better, twice the cost",
    )
    half: bool = Field(False, description="half precision on a GPU; no effect on the CPU")
    batch_size: int = execution_field(32, ge=1, description="frames per batch; halved if the GPU runs out of memory")

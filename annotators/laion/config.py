"""Settings of LAION's aesthetic score."""

from typing import Literal

from pydantic import Field

from annotators.weights.user_files import UserWeights
from humove.config.strict import Strict, execution_field


class LaionConfig(Strict):
    """The two matching files: a CLIP, and the head that was trained on its embeddings."""

    clip: UserWeights = Field(
        UserWeights(),
        description="the CLIP: a folder as transformers or open_clip saves it (for LAION's heads of dimension 768"
        " OpenAI's ViT-L/14), or, with open_clip, a file of its weights",
    )  # fmt: skip
    head: UserWeights = Field(
        UserWeights(),
        description="LAION's head: sac+logos+ava1-l14-linearMSE.pth, or sa_0_4_vit_l_14_linear.pth",
    )
    library: Literal["transformers", "open_clip"] = Field("transformers", description="the library that reads the CLIP")
    network: str = Field(
        "ViT-L-14-quickgelu",
        description="open_clip's name of the network, if clip is a single file; OpenAI's weights need -quickgelu",
    )
    half: bool = Field(False, description="float16 on a GPU; a CPU keeps float32")
    batch_size: int = execution_field(64, ge=1, description="frames at a time; halved if the GPU's memory runs out")

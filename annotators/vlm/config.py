"""What a user sets about a local vision-language model."""

from pydantic import Field

from annotators.captions.request import RequestConfig
from annotators.user_weights import UserWeights
from humove.config import execution_field


class VlmConfig(RequestConfig):
    """A model folder as transformers saves it (config, tokenizer, processor, safetensors), and what it is asked."""

    weights: UserWeights = UserWeights()
    licence: str = Field("", description="the model's licence, noted in every sample")
    half: bool = Field(False, description="bfloat16 on a GPU, as such models are published; a CPU keeps float32")
    tries: int = Field(3, ge=1, le=20, description="how often an answer that is no JSON object is asked for")
    batch_size: int = execution_field(4, ge=1, description="clips at a time; halved where the GPU's memory runs out")

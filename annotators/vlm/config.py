"""Settings of a local vision-language model."""

from pydantic import Field

from annotators.captions.models.request import RequestConfig
from annotators.weights.user_files import UserWeights
from humove.config.strict import execution_field


class VlmConfig(RequestConfig):
    """A model folder as transformers saves it (config, tokenizer, processor, safetensors), and the request."""

    weights: UserWeights = UserWeights()
    licence: str = Field("", description="the model's licence, recorded in every sample")
    half: bool = Field(False, description="bfloat16 on a GPU, as such models are published; a CPU keeps float32")
    tries: int = Field(3, ge=1, le=20, description="tries for an answer that is a JSON object")
    batch_size: int = execution_field(4, ge=1, description="clips at a time; halved if the GPU's memory runs out")

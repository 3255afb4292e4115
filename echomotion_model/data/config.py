"""Settings of the training loader."""

from pydantic import Field

from humove.config import Strict
from shards.buckets import BucketConfig


class LoaderConfig(Strict):
    """What is read, how it is cut, and in which order."""

    split: str = Field("train", description="the split of the data set that is read")
    batch_size: int = Field(1, ge=1, description="samples a step, over all ranks together; a multiple of the ranks")
    workers: int = Field(2, ge=0, description="decoding processes a rank; 0 decodes in the training process")
    seed: int = Field(0, ge=0, description="settles the order of samples and the windows in time")
    buckets: BucketConfig = BucketConfig()

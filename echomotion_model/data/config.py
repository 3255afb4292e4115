"""Settings of the training loader."""

from pydantic import Field

from humove.config.strict import Strict
from shards.buckets import BucketConfig


class LoaderConfig(Strict):
    """Which samples are read, how they are cropped and in which order."""

    split: str = Field("train", description="split of the data set to read")
    batch_size: int = Field(1, ge=1, description="samples per step over all ranks; a multiple of the number of ranks")
    workers: int = Field(2, ge=0, description="decoding processes per rank; 0: decode in the training process")
    seed: int = Field(0, ge=0, description="seed of the order of samples and of the time windows")
    buckets: BucketConfig = BucketConfig()

"""Settings of the side shards."""

from typing import Literal

from pydantic import Field

from echomotion_model.data.config import LoaderConfig
from humove.config import Strict
from shards.buckets import BucketConfig


class LatentsSettings(Strict):
    """What is encoded of each sample. Buckets and seed must be those of the training that reads it."""

    buckets: BucketConfig = BucketConfig()
    seed: int = Field(0, ge=0, description="of the loader: it settles the windows in time")
    windows: int = Field(1, ge=1, le=100, description="windows in time of each clip: of the loader's first epochs")
    dtype: Literal["float16", "bfloat16", "float32"] = Field("float16", description="of the numbers as stored")

    def loader(self, split: str) -> LoaderConfig:
        """The loader's settings that lead to these windows."""
        return LoaderConfig(split=split, seed=self.seed, buckets=self.buckets)

"""Settings of latents."""

from typing import Literal

from pydantic import Field

from echomotion_model.data.config import LoaderConfig
from humove.config.strict import Strict
from shards.buckets import BucketConfig


class LatentsSettings(Strict):
    """What is encoded of each sample. Buckets and seed must match the training that reads the latents."""

    buckets: BucketConfig = BucketConfig()
    seed: int = Field(0, ge=0, description="seed of the loader, which determines the time windows")
    windows: int = Field(1, ge=1, le=100, description="time windows of each clip: those of the loader's first epochs")
    dtype: Literal["float16", "bfloat16", "float32"] = Field("float16", description="type of the stored numbers")

    def make_loader_config(self, split: str) -> LoaderConfig:
        """Make the settings of the loader that draws these windows."""
        return LoaderConfig(split=split, seed=self.seed, buckets=self.buckets)

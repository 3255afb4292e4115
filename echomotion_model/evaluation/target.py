"""A clip of an evaluation: its sample and its encoded form."""

from dataclasses import dataclass

import numpy as np
import torch

from echomotion_model.data.catalogue import SampleIndex
from echomotion_model.data.sample import TrainingSample, load_sample
from echomotion_model.generation.sampling_run import SamplingRun
from echomotion_model.motion.features import PROXY, encode_features
from shards.buckets import Bucket
from shards.reader import Dataset


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Target:
    """One clip, cut as in the first epoch of training, and its encoded form."""

    bucket: Bucket
    sample: TrainingSample
    latents_BCFHW: torch.Tensor
    motion_BTD: torch.Tensor
    """Normalised."""

    @property
    def key(self) -> str:
        """The sample's key."""
        return self.sample.key


def choose_evenly(index: SampleIndex, most: int) -> list[tuple[int, Bucket]]:
    """Choose at most `most` samples of a split, evenly over its rows: (row, bucket)."""
    every = sorted((int(row), bucket) for bucket, rows in index.members.items() for row in rows)
    chosen = np.linspace(0, len(every) - 1, min(most, len(every))).round().astype(int)
    return [every[index] for index in chosen]


def read_target(dataset: Dataset, index: SampleIndex, row: int, bucket: Bucket, run: SamplingRun) -> Target:
    """Read and encode a clip. UserError if its shard is damaged."""
    sample = load_sample(dataset, index.get_entry(row, bucket), run.config.data, 0)
    names = ("global_orient", "body_pose", "transl", "joints", "betas", "rest_joints")
    features_TD = encode_features(
        **{name: torch.from_numpy(getattr(sample, name)) for name in names},
        proxy=torch.tensor(sample.shape_source == PROXY),
    )
    return Target(
        bucket=bucket,
        sample=sample,
        latents_BCFHW=run.encode_video(sample.video),
        motion_BTD=run.normalizer.normalize(features_TD)[None],
    )

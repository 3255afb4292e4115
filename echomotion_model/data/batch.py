"""Batches: stacked samples of one bucket."""

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace

import numpy as np
import torch

from echomotion_model.data.order import RankStep
from echomotion_model.data.sample import TrainingSample
from humove.errors import UserError
from shards.buckets import Bucket


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Batch:
    """One rank's part of a step: B samples of T frames; tensors as in TrainingSample, with a leading B."""

    epoch: int
    step: int
    bucket: Bucket
    keys: tuple[str, ...]
    captions: tuple[str, ...]
    shape_sources: tuple[str, ...]
    keypoint_names: tuple[str, ...]
    weight: torch.Tensor
    """(B,) float32: 1, or 0 for a repeated sample that is excluded from the loss."""
    instants: torch.Tensor
    video: torch.Tensor
    """(B, T, H, W, 3) uint8"""
    betas: torch.Tensor
    rest_joints: torch.Tensor
    global_orient: torch.Tensor
    body_pose: torch.Tensor
    transl: torch.Tensor
    joints: torch.Tensor
    confidence: torch.Tensor
    valid: torch.Tensor
    cam_intrinsics: torch.Tensor
    keypoints: torch.Tensor
    keypoint_scores: torch.Tensor

    def to(self, device: torch.device | str) -> "Batch":
        """Move the tensors to a device."""
        return replace(self, **{name: getattr(self, name).to(device, non_blocking=True) for name in TENSORS})


TENSORS = tuple(field.name for field in fields(Batch) if field.type is torch.Tensor)
"""Names of the batch's tensors."""


def stack_samples(step: RankStep, samples: Sequence[TrainingSample]) -> Batch:
    """Stack a step's samples to a batch. UserError if they have different keypoints."""
    names = {sample.keypoint_names for sample in samples}
    if len(names) > 1:
        raise UserError(
            f"{samples[0].key} and others of its batch have {' or '.join(str(len(each)) for each in names)} keypoints "
            "of different names; train on data of one pose estimator"
        )
    arrays = {name: [getattr(sample, name) for sample in samples] for name in TENSORS if name != "weight"}
    return Batch(
        epoch=step.epoch,
        step=step.number,
        bucket=step.bucket,
        keys=tuple(sample.key for sample in samples),
        captions=tuple(sample.caption for sample in samples),
        shape_sources=tuple(sample.shape_source for sample in samples),
        keypoint_names=samples[0].keypoint_names,
        weight=torch.tensor(step.weights),
        **{name: torch.from_numpy(np.stack(each)) for name, each in arrays.items()},
    )

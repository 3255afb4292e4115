"""What a run would do, said before it is begun: no weights, no encoder, no GPU."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from echomotion_model.data.catalogue import Catalogue
from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.motion.layout import TOKENS
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.mfu import step_flops
from echomotion_model.train.sets import open_sets
from shards.buckets import Bucket, BucketCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """Figures of a run to be."""

    counts: BucketCounts
    """Of the data set's split: what the loader uses by bucket, and leaves out by reason."""
    motions: int
    """Clips of all sets whose motion trains in the first phase."""
    motions_left_out: tuple[tuple[str, dict[str, int]], ...]
    """Of each set, by its path: those that do not, by reason."""
    parameters: int
    lines: tuple[str, ...]
    """All of it, for people."""


def dry_run(config: TrainConfig, dataset: str, motion_only: Sequence[str] = ()) -> DryRun:
    """What `train` would read of the same arguments. UserError where it could not begin."""
    sets = open_sets(dataset, motion_only, config)
    catalogue = Catalogue(sets.paired, config.data.split, config.data.buckets)
    counts, motions = catalogue.counts, len(sets.motions)
    paths = (dataset, *motion_only)
    left_out = tuple(zip(paths, sets.motions.left_out, strict=True))
    with torch.device("meta"):
        parameters = sum(each.numel() for each in EchoMotionTransformer(config.model).parameters())
    total = counts["used"] + sum(counts["left_out"].values())
    lines = [
        f"{dataset}, split {config.data.split}: {counts['used']} of {total} samples train, "
        f"{total - counts['used']} are left out",
        *(f"  {name}: {number}{_work(config, bucket)}" for (name, number), bucket in zip(
            counts["buckets"].items(), catalogue.members, strict=True)),
        *(f"  left out, {reason}: {number}" for reason, number in counts["left_out"].items()),
        f"phase 1: motion of {motions} clips, {config.phases.motion.steps} steps of "
        f"{config.phases.motion.batch_size * config.phases.motion.accumulate}",
        *(f"  {path}: left out, {why}: {number}" for path, reasons in left_out for why, number in reasons.items()),
        f"phase 2: {config.phases.paired.steps} steps of {config.data.batch_size * config.phases.paired.accumulate}",
        f"model: {parameters / 1e6:,.1f} M parameters",
    ]  # fmt: skip
    return DryRun(counts=counts, motions=motions, motions_left_out=left_out, parameters=parameters, lines=tuple(lines))


def _work(config: TrainConfig, bucket: Bucket) -> str:
    """Tokens and operations of one sample of a bucket."""
    _, down, across = config.model.patch
    stride = config.encoders.stride
    latents = (bucket.frames - 1) // config.model.frame_stride + 1
    video = latents * (bucket.height // stride // down) * (bucket.width // stride // across)
    motion = TOKENS * bucket.frames
    flops = step_flops(config.model, video, motion, config.encoders.text_tokens)
    return f" (each {video:,} + {motion:,} tokens, {flops / 1e12:,.3g} TFLOP a step)"

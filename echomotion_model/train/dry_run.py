"""A summary of what a run would do, without weights, encoders or a GPU."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from echomotion_model.data.catalogue import SampleIndex
from echomotion_model.data.order import check_batch
from echomotion_model.latents.reader import Latents
from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.model.weights import open_wan
from echomotion_model.motion.layout import TOKENS
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.inputs.encoders import Encoders
from echomotion_model.train.inputs.sets import TrainSets, find_latents, open_sets
from echomotion_model.train.run.init import find_wan_weights
from echomotion_model.train.run.mfu import count_step_flops
from echomotion_model.train.validation import open_validation_index
from shards.buckets import Bucket, BucketCounts


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """Figures of a planned run."""

    counts: BucketCounts
    """Samples of the data set's split: used, by bucket, and left out, by reason."""
    motions: int
    """Clips of all sets that are used in the first phase."""
    motions_left_out: tuple[tuple[str, dict[str, int]], ...]
    """For each set, by its path: clips left out of the first phase, by reason."""
    parameters: int
    lines: tuple[str, ...]
    """The summary as text."""


def dry_run(config: TrainConfig, dataset: str, motion_only: Sequence[str] = ()) -> DryRun:
    """Summarize what `train` would do with the same arguments.

    UserError if it could not start, as far as that can be checked without weights or the machines of the run.
    """
    _check_processes(config)
    if weights := find_wan_weights(config):
        open_wan(weights, config.model)
    sets = open_sets(dataset, motion_only, config)
    load = Encoders(config.encoders)
    latents = find_latents(sets, config, load)
    _check_encoders(config, load, latents)
    index = SampleIndex(sets.paired, config.data.split, config.data.buckets)
    counts, motions = index.counts, len(sets.motions)
    paths = (dataset, *motion_only)
    left_out = tuple(zip(paths, sets.motions.left_out, strict=True))
    with torch.device("meta"):
        parameters = sum(each.numel() for each in EchoMotionTransformer(config.model).parameters())
    total = counts["used"] + sum(counts["left_out"].values())
    lines = [
        f"{dataset}, split {config.data.split}: {counts['used']} of {total} samples train, "
        f"{total - counts['used']} are left out",
        *(f"  {name}: {number}{_describe_cost(config, bucket)}" for (name, number), bucket in zip(
            counts["buckets"].items(), index.members, strict=True)),
        *(f"  left out, {reason}: {number}" for reason, number in counts["left_out"].items()),
        f"phase 1: motion of {motions} clips, {config.phases.motion.steps} steps of "
        f"{config.phases.motion.batch_size * config.phases.motion.accumulate}",
        *(f"  {path}: left out, {why}: {number}" for path, reasons in left_out for why, number in reasons.items()),
        f"phase 2: {config.phases.paired.steps} steps of {config.data.batch_size * config.phases.paired.accumulate}",
        f"  {_describe_video_source(config, latents[0])}",
        _describe_validation(config, sets),
        f"model: {parameters / 1e6:,.1f} M parameters",
    ]  # fmt: skip
    return DryRun(counts=counts, motions=motions, motions_left_out=left_out, parameters=parameters, lines=tuple(lines))


def _check_processes(config: TrainConfig) -> None:
    """Raise UserError if heads or batches do not divide over the processes, where their number is set."""
    parallel = config.parallel
    parallel.check_heads(config.model.heads)
    if parallel.processes:
        ranks = parallel.count_ranks(parallel.processes)
        check_batch(config.phases.motion.batch_size, ranks)
        check_batch(config.data.batch_size, ranks)


def _check_encoders(config: TrainConfig, load: Encoders, latents: Sequence[Latents | None]) -> None:
    """Check the encoders that the run would load; with latents it may need none."""
    encodes = latents[0] is None and (config.encoders.windows or config.phases.paired.steps)
    if encodes or config.validation.clips:
        load.check_video()
    if None in latents:
        load.check_text()


def _describe_video_source(config: TrainConfig, latents: Latents | None) -> str:
    if latents is not None:
        return f"{latents.settings.windows} time windows of each clip, encoded in {latents.path}"
    if config.encoders.windows:
        return f"{config.encoders.windows} time windows of each clip, to be encoded first"
    return "new time windows in each epoch, encoded at every step"


def _describe_validation(config: TrainConfig, sets: TrainSets) -> str:
    if not config.validation.clips:
        return "validation: none"
    index = open_validation_index(sets.paired, config)
    return f"validation: {min(config.validation.clips, len(index))} clips of split {index.split}"


def _describe_cost(config: TrainConfig, bucket: Bucket) -> str:
    """Format the tokens and operations of one sample of a bucket."""
    _, down, across = config.model.patch
    stride = config.encoders.stride
    latents = (bucket.frames - 1) // config.model.frame_stride + 1
    video = latents * (bucket.height // stride // down) * (bucket.width // stride // across)
    motion = TOKENS * bucket.frames
    flops = count_step_flops(config.model, video, motion, config.encoders.text_tokens, adapted=bool(config.lora.rank))
    return f" (each {video:,} + {motion:,} tokens, {flops / 1e12:,.3g} TFLOP per step)"

"""What a run would do, said before it is begun: no weights, no encoder, no GPU."""

from collections.abc import Sequence
from dataclasses import dataclass

import torch

from echomotion_model.data.catalogue import Catalogue
from echomotion_model.data.order import check_batch
from echomotion_model.latents.reader import Latents
from echomotion_model.model.transformer import EchoMotionTransformer
from echomotion_model.model.weights import open_wan
from echomotion_model.motion.layout import TOKENS
from echomotion_model.train.config import TrainConfig
from echomotion_model.train.encoders import Encoders
from echomotion_model.train.mfu import step_flops
from echomotion_model.train.sets import Sets, find_latents, open_sets
from echomotion_model.train.start import wan_weights
from echomotion_model.train.validation import validation_catalogue
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
    """What `train` would read of the same arguments. UserError where it could not begin, as far as that shows without
    the model's and the encoders' weights, or the machines that it would run on."""
    _check_spread(config)
    if weights := wan_weights(config):
        open_wan(weights, config.model)
    sets = open_sets(dataset, motion_only, config)
    load = Encoders(config.encoders)
    latents = find_latents(sets, config, load)
    _check_encoders(config, load, latents)
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
        f"  {_videos(config, latents[0])}",
        _validation(config, sets),
        f"model: {parameters / 1e6:,.1f} M parameters",
    ]  # fmt: skip
    return DryRun(counts=counts, motions=motions, motions_left_out=left_out, parameters=parameters, lines=tuple(lines))


def _check_spread(config: TrainConfig) -> None:
    """Over the processes, where their number is given."""
    parallel = config.parallel
    parallel.check_heads(config.model.heads)
    if parallel.processes:
        ranks = parallel.ranks(parallel.processes)
        check_batch(config.phases.motion.batch_size, ranks)
        check_batch(config.data.batch_size, ranks)


def _check_encoders(config: TrainConfig, load: Encoders, latents: Sequence[Latents | None]) -> None:
    """Those that will be loaded, which with latents may be none."""
    encodes = latents[0] is None and (config.encoders.windows or config.phases.paired.steps)
    if encodes or config.validation.clips:
        load.check_video()
    if None in latents:
        load.check_text()


def _videos(config: TrainConfig, latents: Latents | None) -> str:
    """Where the second phase's come from."""
    if latents is not None:
        return f"{latents.settings.windows} windows in time of each clip, encoded in {latents.path}"
    if config.encoders.windows:
        return f"{config.encoders.windows} windows in time of each clip, to be encoded first"
    return "windows in time drawn anew at each pass, encoded as they come"


def _validation(config: TrainConfig, sets: Sets) -> str:
    if not config.validation.clips:
        return "validation: none"
    catalogue = validation_catalogue(sets.paired, config)
    return f"validation: {min(config.validation.clips, len(catalogue))} clips of split {catalogue.split}"


def _work(config: TrainConfig, bucket: Bucket) -> str:
    """Tokens and operations of one sample of a bucket."""
    _, down, across = config.model.patch
    stride = config.encoders.stride
    latents = (bucket.frames - 1) // config.model.frame_stride + 1
    video = latents * (bucket.height // stride // down) * (bucket.width // stride // across)
    motion = TOKENS * bucket.frames
    flops = step_flops(config.model, video, motion, config.encoders.text_tokens, adapted=bool(config.lora.rank))
    return f" (each {video:,} + {motion:,} tokens, {flops / 1e12:,.3g} TFLOP a step)"

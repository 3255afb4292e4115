"""`humove evaluate-model`: a run's three modes, measured on clips of a data set, beside baselines without a model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from echomotion_model.data.catalogue import SampleIndex
from echomotion_model.evaluation.baselines import gather_baselines
from echomotion_model.evaluation.clip import ClipFigures, Figures
from echomotion_model.evaluation.clip_samples import draw_clip_samples
from echomotion_model.evaluation.measures import Detector
from echomotion_model.evaluation.retrieval import measure_retrieval
from echomotion_model.evaluation.samples import write_samples
from echomotion_model.evaluation.swaps import choose_partners, count_followed
from echomotion_model.evaluation.target import Target, choose_evenly, read_target
from echomotion_model.evaluation.training import count_training_clips, index_training_clips, was_trained_on
from echomotion_model.generate import resolve_sampling
from echomotion_model.generation.sampling_run import open_sampling_run
from humove.errors import UserError
from shards.reader import open_dataset

Progress = Callable[[str, int, int], None]
"""Called with the current work, the number of clips done, and their total."""
_PARTS = ("video_to_motion", "motion_to_video", "consistency", "swapped", "joint")
_RETRIEVED = {"motion": "motion_BTD", "video": "latents_BCFHW"}
_TRAINING_CLIPS = 500
"""Maximum number of training clips for the baselines, evenly spread."""
_SHOWN_CLIPS = 6
"""Maximum number of clips written as videos, evenly spread."""


def evaluate(
    run: Path,
    dataset: str,
    split: str = "val",
    *,
    training: str | None = None,
    limit: int = 16,
    seed: int = 0,
    checkpoint: str | None = None,
    steps: int | None = None,
    text_guidance_scale: float | None = None,
    condition_guidance_scale: float | None = None,
    use_ema: bool = True,
    detect: Detector | None = None,
    samples: Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measure a run on at most `limit` clips of a split, evenly spread, with the noise of `seed` for the first clip,
    `seed` + 1 for the next and so on. The same arguments give the same figures.

    - video_to_motion: MPJPE and PA-MPJPE in mm against the data set's motion, on valid frames, with predicted
      bones. Baselines: the training split's mean pose, and the motion of its clip with the nearest latents.
    - motion_to_video: PSNR against the clip's own video, given its caption and motion. Baselines: the training split's
      mean frame, and the video of its clip with the nearest motion. With `detect`: the distance of the given joints
      from the keypoints in the generated video; also in the true video, and of another clip's joints.
    - swapped: each clip's caption and noise with the condition of another clip of its bucket (video to motion has no
      caption). Share of the samples that are nearer to the condition's clip than to the caption's, by PA-MPJPE, PSNR
      and, with `detect`, given joints against keypoints: 0 if samples overfit the caption, 1/2 if they depend on
      neither, 1 if they follow the condition.
    - joint: acceleration and foot skate from the clip's caption, beside the data set's; and whether the sample is
      nearer to its own clip than to others.

    `training` is the data set that trained the run, None: `dataset`. Its training split (the run's data.split) gives
    the baselines; `baselines_trained`: whether the checkpoint was trained on exactly these clips; `trained_on`: how
    many of the measured clips are among them. `by_clip` has each clip's figures. `samples`: a folder for videos and
    strips of some clips: input, output, ground truth. UserError if run, data set or split are missing or empty.
    """
    if limit < 1:
        raise UserError(f"LIMIT={limit}: give 1 clip or more")
    if samples is not None and samples.exists() and not samples.is_dir():
        raise UserError(f"{samples} is a file; give --samples a folder")
    opened = open_sampling_run(run, checkpoint=checkpoint, use_ema=use_ema, device=device)
    source, config = open_dataset(dataset), opened.config
    sampling = resolve_sampling(
        config.validation.sampling,
        steps=steps,
        text_guidance_scale=text_guidance_scale,
        condition_guidance_scale=condition_guidance_scale,
    )
    index = SampleIndex(source, split, config.data.buckets)
    trainer = source if training is None else open_dataset(training)
    training_index = index_training_clips(trainer, config.data)
    trained = was_trained_on(opened, trainer)
    targets = [read_target(source, index, row, bucket, opened) for row, bucket in choose_evenly(index, limit)]
    trained_on = count_training_clips(trainer, config.data.split, [target.key for target in targets]) if trained else 0
    rows = choose_evenly(training_index, _TRAINING_CLIPS)

    def report(what: str, done: int, of: int) -> None:
        if progress:
            progress(what, done, of)

    def read_training_clip(number: int, place: tuple) -> Target:
        report("reading the training split", number, len(rows))
        return read_target(trainer, training_index, *place, opened)

    baselines = gather_baselines((read_training_clip(number, place) for number, place in enumerate(rows)), targets)
    shown = set(np.linspace(0, len(targets) - 1, min(_SHOWN_CLIPS, len(targets))).round().astype(int).tolist())
    clips = []
    for number, (target, other) in enumerate(zip(targets, choose_partners(targets), strict=True)):
        report("sampling", number, len(targets))
        drawn = draw_clip_samples(opened, target, other, sampling, seed + number)
        clips.append(ClipFigures(opened, target, other, drawn, baselines, detect))
        if samples is not None and number in shown:
            write_samples(samples, opened, target, other, drawn)
    report("sampling", len(targets), len(targets))
    return {
        "run": str(run),
        "step": opened.step,
        "phase": opened.state.phase,
        "averaged": opened.averaged,
        "dataset": dataset,
        "split": split,
        "training": training or dataset,
        "training_split": config.data.split,
        "trained_on": trained_on,
        "baselines_trained": trained,
        "clips": len(targets),
        "of": len(index),
        "training_clips": baselines.clips,
        "seed": seed,
        "sampling": sampling.model_dump(),
        "video_to_motion": _compute_means([clip.video_to_motion for clip in clips]),
        "motion_to_video": _compute_means([clip.motion_to_video for clip in clips]),
        "consistency": _compute_means([clip.consistency for clip in clips]) if detect else None,
        "swapped": count_followed([clip.swapped for clip in clips]),
        "joint": _compute_means([clip.joint for clip in clips]),
        "retrieval": {
            name: measure_retrieval(
                [clip.generated[name] for clip in clips],
                [getattr(target, _RETRIEVED[name]) for target in targets],
                [target.sample.caption for target in targets],
            )
            for name in _RETRIEVED
        },
        "by_clip": {
            target.key: {name: getattr(clip, name) for name in _PARTS}
            for target, clip in zip(targets, clips, strict=True)
        },
    }


def _compute_means(clips: Sequence[Figures]) -> dict[str, dict[str, Any]]:
    """Return means over the clips that have the figure, and their number as `clips`."""
    out: dict[str, dict[str, Any]] = {}
    for who, measures in clips[0].items():
        known = {name: [clip[who][name] for clip in clips if clip[who][name] is not None] for name in measures}
        out[who] = {name: float(np.mean(values)) if values else None for name, values in known.items()}
        out[who]["clips"] = max(map(len, known.values()))
    return out

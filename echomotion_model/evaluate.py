"""`humove evaluate-model`: a run's three modes, measured on clips of a data set, beside what needs no model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from echomotion_model.data.catalogue import Catalogue
from echomotion_model.evaluation.answers import answers_of
from echomotion_model.evaluation.baselines import gather
from echomotion_model.evaluation.clip import ClipFigures, Figures
from echomotion_model.evaluation.measures import Detector
from echomotion_model.evaluation.retrieval import retrieval
from echomotion_model.evaluation.samples import write_samples
from echomotion_model.evaluation.swaps import followed, partners
from echomotion_model.evaluation.target import Target, read_target, spread
from echomotion_model.evaluation.training import seen_in_training, trained_by, training_clips
from echomotion_model.generate import sampling_of
from echomotion_model.generation.trained import open_sampling_run
from humove.errors import UserError
from shards.reader import open_dataset

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many clips are done, and of how many."""
_PARTS = ("video_to_motion", "motion_to_video", "consistency", "swapped", "joint")
_RETRIEVED = {"motion": "motion_BTD", "video": "latents_BCFHW"}
_TRAINING_CLIPS = 500
"""Of a larger training split the baselines read so many clips, evenly spread."""
_SHOWN_CLIPS = 6
"""Of more clips that are measured, so many, evenly spread, are written to be looked at."""


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
    w1: float | None = None,
    w2: float | None = None,
    use_ema: bool = True,
    detect: Detector | None = None,
    samples: Path | None = None,
    device: str | None = None,
    progress: Progress | None = None,
) -> dict[str, Any]:
    """Measures a run on at most `limit` clips of a split, evenly spread, with the noise of `seed` for
    the first, `seed` + 1 for the next and so on. The same arguments give the same figures.

    - video_to_motion: MPJPE and PA-MPJPE in mm against the data set's motion, on valid frames; the model tells the
      body's bones too. Beside it the training split's mean pose, and the motion of its clip with the nearest latents.
    - motion_to_video: PSNR against the clip's own video, given its caption and motion. Beside it the training split's
      mean frame, and the video of its clip with the nearest motion. With `detect`, how far the given joints lie from
      what it sees in the made video; beside it, in the true video, and of another clip's joints.
    - swapped: each clip's caption and noise with the condition of another clip of its bucket (video to motion has no
      caption). Share of the answers that are nearer to the condition's clip than to the caption's, by PA-MPJPE, PSNR
      and, with `detect`, the given joints against what it sees: an answer known by heart from the caption gives 0,
      one that depends on neither a half, one that follows the condition 1.
    - joint: acceleration and foot skate from the clip's caption, beside the data set's; and whether the sample is
      nearer to its own clip than to others.

    `training` is the data set that trained the run, None: `dataset`. Its training split (the run's data.split) gives
    the baselines; `baselines_trained` says whether the checkpoint was made with just these clips, `trained_on` how
    many of the clips measured are among them. `by_clip` has each clip's own figures. `samples`: a folder for videos and
    strips of some clips: what was given, the answer, the truth. UserError where run, data set or split are not there
    or hold nothing.
    """
    if limit < 1:
        raise UserError(f"LIMIT={limit}: give 1 clip or more")
    if samples is not None and samples.exists() and not samples.is_dir():
        raise UserError(f"{samples} is a file; give --samples a folder")
    opened = open_sampling_run(run, checkpoint=checkpoint, use_ema=use_ema, device=device)
    source, config = open_dataset(dataset), opened.config
    sampling = sampling_of(config.validation.sampling, steps=steps, w1=w1, w2=w2)
    catalogue = Catalogue(source, split, config.data.buckets)
    trainer = source if training is None else open_dataset(training)
    known = training_clips(trainer, config.data)
    trained = trained_by(opened, trainer)
    targets = [read_target(source, catalogue, row, bucket, opened) for row, bucket in spread(catalogue, limit)]
    seen = seen_in_training(trainer, config.data.split, [target.key for target in targets]) if trained else 0
    rows = spread(known, _TRAINING_CLIPS)

    def told(what: str, done: int, of: int) -> None:
        if progress:
            progress(what, done, of)

    def read(number: int, place: tuple) -> Target:
        told("reading the training split", number, len(rows))
        return read_target(trainer, known, *place, opened)

    baselines = gather((read(number, place) for number, place in enumerate(rows)), targets)
    shown = set(np.linspace(0, len(targets) - 1, min(_SHOWN_CLIPS, len(targets))).round().astype(int).tolist())
    clips = []
    for number, (target, other) in enumerate(zip(targets, partners(targets), strict=True)):
        told("sampling", number, len(targets))
        answers = answers_of(opened, target, other, sampling, seed + number)
        clips.append(ClipFigures(opened, target, other, answers, baselines, detect))
        if samples is not None and number in shown:
            write_samples(samples, opened, target, other, answers)
    told("sampling", len(targets), len(targets))
    return {
        "run": str(run),
        "step": opened.step,
        "phase": opened.state.phase,
        "averaged": opened.averaged,
        "dataset": dataset,
        "split": split,
        "training": training or dataset,
        "training_split": config.data.split,
        "trained_on": seen,
        "baselines_trained": trained,
        "clips": len(targets),
        "of": len(catalogue),
        "training_clips": baselines.clips,
        "seed": seed,
        "sampling": sampling.model_dump(),
        "video_to_motion": _means([clip.video_to_motion for clip in clips]),
        "motion_to_video": _means([clip.motion_to_video for clip in clips]),
        "consistency": _means([clip.consistency for clip in clips]) if detect else None,
        "swapped": followed([clip.swapped for clip in clips]),
        "joint": _means([clip.joint for clip in clips]),
        "retrieval": {
            name: retrieval(
                [clip.made[name] for clip in clips],
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


def _means(clips: Sequence[Figures]) -> dict[str, dict[str, Any]]:
    """Means over the clips that have the figure, and in `clips` how many those are."""
    out: dict[str, dict[str, Any]] = {}
    for who, measures in clips[0].items():
        known = {name: [clip[who][name] for clip in clips if clip[who][name] is not None] for name in measures}
        out[who] = {name: float(np.mean(values)) if values else None for name, values in known.items()}
        out[who]["clips"] = max(map(len, known.values()))
    return out

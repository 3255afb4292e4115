"""`humove evaluate-model`: a run's three modes, measured on clips of a data set, beside what needs no model."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from echomotion_model.data.catalogue import Catalogue
from echomotion_model.evaluation.baselines import gather
from echomotion_model.evaluation.clip import ClipFigures, Figures
from echomotion_model.evaluation.measures import Detector
from echomotion_model.evaluation.retrieval import retrieval
from echomotion_model.evaluation.target import Target, read_target, spread
from echomotion_model.generate import sampling_of
from echomotion_model.generation.trained import open_sampling_run
from humove.errors import UserError
from shards.reader import open_dataset

Progress = Callable[[str, int, int], None]
"""Told what is being done, how many clips are done, and of how many."""
_PARTS = ("video_to_motion", "motion_to_video", "consistency", "joint")
_RETRIEVED = {"motion": "motion_BTD", "video": "latents_BCFHW"}
_TRAINING_CLIPS = 500
"""Of a larger training split the baselines read so many clips, evenly spread."""


def evaluate(
    run: Path,
    dataset: str,
    split: str = "val",
    *,
    limit: int = 16,
    seed: int = 0,
    checkpoint: str | None = None,
    steps: int | None = None,
    w1: float | None = None,
    w2: float | None = None,
    use_ema: bool = True,
    detect: Detector | None = None,
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
    - joint: acceleration and foot skate from the clip's caption, beside the data set's; and whether the sample is
      nearer to its own clip than to others.

    `by_clip` has each clip's own figures. UserError where run, data set or split are not there or hold nothing.
    """
    if limit < 1:
        raise UserError(f"LIMIT={limit}: give 1 clip or more")
    opened = open_sampling_run(run, checkpoint=checkpoint, use_ema=use_ema, device=device)
    source, config = open_dataset(dataset), opened.config
    sampling = sampling_of(config.validation.sampling, steps=steps, w1=w1, w2=w2)
    catalogue = Catalogue(source, split, config.data.buckets)
    targets = [read_target(source, catalogue, row, bucket, opened) for row, bucket in spread(catalogue, limit)]
    training = catalogue if split == config.data.split else Catalogue(source, config.data.split, config.data.buckets)
    rows = spread(training, _TRAINING_CLIPS)

    def told(what: str, done: int, of: int) -> None:
        if progress:
            progress(what, done, of)

    def read(number: int, place: tuple) -> Target:
        told("reading the training split", number, len(rows))
        return read_target(source, training, *place, opened)

    baselines = gather((read(number, place) for number, place in enumerate(rows)), targets)
    clips = []
    for number, target in enumerate(targets):
        told("sampling", number, len(targets))
        other = targets[(number + 1) % len(targets)]
        clips.append(ClipFigures(opened, target, baselines, sampling, seed + number, detect, other))
    told("sampling", len(targets), len(targets))
    return {
        "run": str(run),
        "step": opened.step,
        "averaged": opened.averaged,
        "dataset": dataset,
        "split": split,
        "trained_on": split == config.data.split,
        "clips": len(targets),
        "of": len(catalogue),
        "training_clips": baselines.clips,
        "seed": seed,
        "sampling": sampling.model_dump(),
        "video_to_motion": _means([clip.video_to_motion for clip in clips]),
        "motion_to_video": _means([clip.motion_to_video for clip in clips]),
        "consistency": _means([clip.consistency for clip in clips]) if detect else None,
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

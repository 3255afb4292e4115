"""`humove generate`: samples of a trained run, in its three modes, written as files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from echomotion_model.diffusion.sampler import SamplingConfig
from echomotion_model.diffusion.tasks import Task
from echomotion_model.generation.condition import Condition, from_nothing, from_sample
from echomotion_model.generation.files import Generated, write_files
from echomotion_model.generation.made import steadied
from echomotion_model.generation.motion_file import from_motion_file
from echomotion_model.generation.trained import SamplingRun, open_sampling_run
from echomotion_model.generation.video_file import from_video_file
from echomotion_model.motion.features import decode_motion
from humove.errors import UserError
from humove.types import SmplMotion

MODES = tuple(task.value.replace("_", "-") for task in Task)
"""What can be asked for, as the user says it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What the user gives to make something of."""

    text: str | None = None
    video: Path | None = None
    motion: Path | None = None
    motion_fps: float | None = None
    """Of a motion.npz of a data set, which does not say its rate."""
    body_models: Path | None = None
    """The user's SMPL+H files, for the true shape of an AMASS file."""
    dataset: str | None = None
    key: str | None = None


def generate(
    run: Path,
    mode: str,
    *,
    out: Path,
    text: str | None = None,
    video: Path | None = None,
    motion: Path | None = None,
    motion_fps: float | None = None,
    body_models: Path | None = None,
    dataset: str | None = None,
    key: str | None = None,
    checkpoint: str | None = None,
    seed: int = 0,
    steps: int | None = None,
    w1: float | None = None,
    w2: float | None = None,
    use_ema: bool = True,
    device: str | None = None,
    on_step: Callable[[int, int], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> Generated:
    """Makes one sample of a run and writes it into the folder `out`. The same arguments give the same files.

    - joint: video and motion from `text`, or from the caption of a data set's sample, whose size they then have too;
    - motion-to-video: from `motion` (a motion.npz, an AMASS npz or a BVH) or a sample's, and from a text if there is
      one; a data set's motion.npz needs `motion_fps`, and an AMASS file has its true shape by `body_models`;
    - video-to-motion: from `video`, a file of one's own, or a sample's.

    A sample is given by `dataset` and `key`; a `text` takes the place of its caption. steps, w1 (guidance by the
    text) and w2 (by the condition): None is what the run's validation uses. checkpoint: a name or a step; None: the
    last one. on_step(done, steps) is called after each step, on_note(line) where the run can't be trusted in this, as
    it was stopped before it saw video. UserError, one line, for what the user can mend.
    """
    task = task_of(mode)
    given = Given(
        text=text, video=video, motion=motion, motion_fps=motion_fps, body_models=body_models, dataset=dataset, key=key
    )
    check_given(task, given)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; give OUT a folder")
    opened = open_sampling_run(run, checkpoint=checkpoint, use_ema=use_ema, device=device)
    if on_note and opened.warning:
        on_note(opened.warning)
    sampling = sampling_of(opened.config.validation.sampling, steps=steps, w1=w1, w2=w2)
    condition = read_condition(given, opened)
    caption = condition.caption if text is None else text
    drawn = opened.draw(
        task,
        condition.bucket,
        caption=caption,
        video_BCFHW=opened.latents(condition.video) if not task.makes_video else None,
        motion_BTD=opened.features(condition.motion, condition.shape_source) if not task.makes_motion else None,
        seed=seed,
        sampling=sampling,
        on_step=(lambda done: on_step(done, sampling.steps)) if on_step else None,
    )
    pictures = opened.pictures(drawn.video_BCFHW) if task.makes_video else condition.video
    shown = made_motion(drawn.motion_BTD, opened, condition) if task.makes_motion else condition.motion
    return write_files(out, pictures, shown, opened.fps)


def task_of(mode: str) -> Task:
    """The task of a mode's name. UserError for another."""
    if mode not in MODES:
        raise UserError(f"MODE={mode}: no such mode; choose {', '.join(MODES)}")
    return Task(mode.replace("-", "_"))


def check_given(task: Task, given: Given) -> None:
    """UserError where what the task needs is not given, is given twice, or is of no use to it."""
    mode = task.value.replace("_", "-")
    if (given.dataset is None) != (given.key is None):
        lacking = "a sample's key" if given.key is None else "the data set that the key is of"
        raise UserError(f"{mode}: give {lacking} too: a sample is named by its data set and its key")
    sample = given.key is not None
    for name in ("video", "motion"):
        file, wanted = getattr(given, name) is not None, mode.startswith(f"{name}-to-")
        if file and not wanted:
            raise UserError(f"{mode} has no use for a {name} file; leave it out, or choose another mode")
        if wanted and file == sample:
            raise UserError(f"{mode} is made from a {name}: give a {name} file, or a data set and a key; one of them")
    for name in ("motion_fps", "body_models"):
        if getattr(given, name) is not None and given.motion is None:
            raise UserError(f"--{name.replace('_', '-')} is of a motion file; give one as --motion, or leave it out")
    if given.motion_fps is not None and not 0 < given.motion_fps < np.inf:
        raise UserError(f"MOTION_FPS={given.motion_fps:g}: give frames a second, more than 0")
    if task is Task.JOINT and given.text is None and not sample:
        raise UserError(f"{mode} is made from a text: give one, or a data set and the key of a sample with a caption")
    if task is Task.VIDEO_TO_MOTION and given.text is not None:
        raise UserError(f"{mode} sees no text; leave it out")


def sampling_of(
    config: SamplingConfig, *, steps: int | None = None, w1: float | None = None, w2: float | None = None
) -> SamplingConfig:
    """A run's own sampling with changes; None changes nothing. UserError for steps below 1 or weights not finite."""
    changes = {name: value for name, value in (("steps", steps), ("w1", w1), ("w2", w2)) if value is not None}
    if steps is not None and steps < 1:
        raise UserError(f"STEPS={steps}: give 1 or more")
    if not all(np.isfinite(value) for value in changes.values()):
        raise UserError(f"W1={w1}, W2={w2}: give finite numbers")
    return config.model_copy(update=changes)


def read_condition(given: Given, run: SamplingRun) -> Condition:
    """What is given, in the shape of a bucket of the run."""
    buckets = run.config.data.buckets
    if given.key is not None:
        return from_sample(given.dataset, given.key, run.config.data)
    if given.video is not None:
        return from_video_file(given.video, buckets)
    if given.motion is not None:
        return from_motion_file(given.motion, buckets, fps=given.motion_fps, body_models=given.body_models)
    return from_nothing(buckets)


def made_motion(motion_BTD: torch.Tensor, run: SamplingRun, condition: Condition) -> SmplMotion:
    """A sampled motion before the condition's camera, steadied; its body is the one that the model tells of."""
    motion = decode_motion(run.normalizer.restore(motion_BTD[0]), condition.cam_intrinsics)
    return steadied(motion, run.fps)

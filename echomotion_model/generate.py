"""`humove generate`: samples of a trained run in three modes, written as files."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from echomotion_model.diffusion.sampler import SamplingConfig
from echomotion_model.diffusion.tasks import Task
from echomotion_model.generation.condition import Condition, make_empty_condition, read_sample_condition
from echomotion_model.generation.files import GeneratedFiles, write_generated
from echomotion_model.generation.motion_file import read_motion_condition
from echomotion_model.generation.sampling_run import SamplingRun, open_sampling_run
from echomotion_model.generation.smoothing import smooth_motion
from echomotion_model.generation.video_file import read_video_condition
from echomotion_model.motion.features import decode_motion
from humove.errors import UserError
from humove.types import SmplMotion

MODES = tuple(task.value.replace("_", "-") for task in Task)
"""The modes by their names on the command line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GenerateInputs:
    """The user's inputs for a sample."""

    text: str | None = None
    video: Path | None = None
    motion: Path | None = None
    motion_fps: float | None = None
    """The rate of a data set's motion.npz, which does not contain it."""
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
    text_guidance_scale: float | None = None,
    condition_guidance_scale: float | None = None,
    use_ema: bool = True,
    device: str | None = None,
    on_step: Callable[[int, int], None] | None = None,
    on_note: Callable[[str], None] | None = None,
) -> GeneratedFiles:
    """Generate one sample of a run and write it to the folder `out`. The same arguments give the same files.

    - joint: video and motion from `text`, or from the caption of a data set's sample, with the sample's size;
    - motion-to-video: from `motion` (a motion.npz, an AMASS npz or a BVH) or a sample's, and from a text if
      given; a data set's motion.npz needs `motion_fps`; `body_models` give an AMASS file its true shape;
    - video-to-motion: from `video`, a video file, or a sample's.

    `dataset` and `key` select a sample; a `text` replaces its caption. steps and guidance scales: None: as in the run's
    validation. checkpoint: a name or a step; None: the last one. on_step(done, steps) is called after each step,
    on_note(line) if the run has not been trained on video yet. UserError, one line, for errors that the user can fix.
    """
    task = parse_mode(mode)
    inputs = GenerateInputs(
        text=text, video=video, motion=motion, motion_fps=motion_fps, body_models=body_models, dataset=dataset, key=key
    )
    check_inputs(task, inputs)
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file; give OUT a folder")
    opened = open_sampling_run(run, checkpoint=checkpoint, use_ema=use_ema, device=device)
    if on_note and opened.warning:
        on_note(opened.warning)
    sampling = resolve_sampling(
        opened.config.validation.sampling,
        steps=steps,
        text_guidance_scale=text_guidance_scale,
        condition_guidance_scale=condition_guidance_scale,
    )
    condition = read_condition(inputs, opened)
    caption = condition.caption if text is None else text
    sampled = opened.draw_sample(
        task,
        condition.bucket,
        caption=caption,
        video_BCFHW=opened.encode_video(condition.video) if not task.makes_video else None,
        motion_BTD=opened.encode_motion(condition.motion, condition.shape_source) if not task.makes_motion else None,
        seed=seed,
        sampling=sampling,
        on_step=(lambda done: on_step(done, sampling.steps)) if on_step else None,
    )
    frames = opened.decode_video(sampled.video_BCFHW) if task.makes_video else condition.video
    written = decode_sampled_motion(sampled.motion_BTD, opened, condition) if task.makes_motion else condition.motion
    return write_generated(out, frames, written, opened.fps)


def parse_mode(mode: str) -> Task:
    """Return the task of a mode's name. UserError for an unknown one."""
    if mode not in MODES:
        raise UserError(f"MODE={mode}: no such mode; choose {', '.join(MODES)}")
    return Task(mode.replace("-", "_"))


def check_inputs(task: Task, inputs: GenerateInputs) -> None:
    """Raise UserError if an input of the task is missing or given twice, or if the task does not use it."""
    mode = task.value.replace("_", "-")
    if (inputs.dataset is None) != (inputs.key is None):
        missing = "a sample's key" if inputs.key is None else "the key's data set"
        raise UserError(f"{mode}: give {missing} too: a sample is named by its data set and its key")
    sample = inputs.key is not None
    for name in ("video", "motion"):
        given, needed = getattr(inputs, name) is not None, mode.startswith(f"{name}-to-")
        if given and not needed:
            raise UserError(f"{mode} does not use a {name} file; leave it out, or choose another mode")
        if needed and given == sample:
            raise UserError(f"{mode} needs a {name}: give either a {name} file, or a data set and a key")
    for name in ("motion_fps", "body_models"):
        if getattr(inputs, name) is not None and inputs.motion is None:
            raise UserError(f"--{name.replace('_', '-')} needs a motion file; give one as --motion, or leave it out")
    if inputs.motion_fps is not None and not 0 < inputs.motion_fps < np.inf:
        raise UserError(f"MOTION_FPS={inputs.motion_fps:g}: give frames per second, more than 0")
    if task is Task.JOINT and inputs.text is None and not sample:
        raise UserError(f"{mode} needs a text: give one, or a data set and the key of a sample with a caption")
    if task is Task.VIDEO_TO_MOTION and inputs.text is not None:
        raise UserError(f"{mode} does not use a text; leave it out")


def resolve_sampling(
    config: SamplingConfig,
    *,
    steps: int | None,
    text_guidance_scale: float | None,
    condition_guidance_scale: float | None,
) -> SamplingConfig:
    """Return a run's sampling with changes; None: unchanged. UserError for steps below 1 or infinite scales."""
    scales = {"text_guidance_scale": text_guidance_scale, "condition_guidance_scale": condition_guidance_scale}
    changes = {name: value for name, value in {"steps": steps, **scales}.items() if value is not None}
    if steps is not None and steps < 1:
        raise UserError(f"STEPS={steps}: give 1 or more")
    if not all(np.isfinite(value) for value in changes.values()):
        raise UserError(", ".join(f"{name}={value}" for name, value in scales.items()) + ": give finite numbers")
    return config.model_copy(update=changes)


def read_condition(inputs: GenerateInputs, run: SamplingRun) -> Condition:
    """Read the user's condition in the shape of a bucket of the run."""
    buckets = run.config.data.buckets
    if inputs.key is not None:
        return read_sample_condition(inputs.dataset, inputs.key, run.config.data)
    if inputs.video is not None:
        return read_video_condition(inputs.video, buckets)
    if inputs.motion is not None:
        return read_motion_condition(inputs.motion, buckets, fps=inputs.motion_fps, body_models=inputs.body_models)
    return make_empty_condition(buckets)


def decode_sampled_motion(motion_BTD: torch.Tensor, run: SamplingRun, condition: Condition) -> SmplMotion:
    """Decode a sampled motion with the condition's camera and the predicted body, and smooth it."""
    motion = decode_motion(run.normalizer.denormalize(motion_BTD[0]), condition.cam_intrinsics)
    return smooth_motion(motion, run.fps)

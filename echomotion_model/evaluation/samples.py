"""The samples of an evaluation as files to look at: for each mode what was given, the answer, and the truth."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from echomotion_model.diffusion.sampler import Drawn
from echomotion_model.evaluation.answers import Answers
from echomotion_model.evaluation.panels import Panel, PosedBody, write_panels
from echomotion_model.evaluation.target import Target
from echomotion_model.generation.trained import SamplingRun
from echomotion_model.motion.features import decode_features
from humove.errors import EXIT_DEFECT, UserError
from humove.video.encode import EncodeError


def write_samples(folder: Path, run: SamplingRun, target: Target, other: Target | None, answers: Answers) -> list[Path]:
    """Writes an mp4 and a PNG of each mode, KEY-MODE, into `folder`, and of the swapped conditions where there is
    another clip. UserError where it can't be written to."""
    sheets = {
        "video-to-motion": (target, _seen(run, target, answers.seen)),
        "motion-to-video": (target, _shown(run, target, answers.shown)),
        "joint": (target, _imagined(run, target, answers.imagined)),
    }
    if other is not None:
        named = _panel(target, f"the caption's clip {target.key[:6]}", target.sample.video)
        sheets["swapped-video-to-motion"] = (other, _seen(run, other, answers.seen_of_other))
        sheets["swapped-motion-to-video"] = (target, [*_shown(run, other, answers.shown_of_other), named])
    written: list[Path] = []
    try:
        for name, (clip, panels) in sheets.items():
            said = name if name.endswith("video-to-motion") else f"{name}: {clip.sample.caption}"
            written += write_panels(folder / f"{target.key}-{name}", panels, said, target.bucket.frames, run.fps)
    except (OSError, EncodeError) as error:
        said = " ".join(str(error).split())
        raise UserError(f"{folder}: {said}; make room there, or give --samples another folder", EXIT_DEFECT) from error
    return written


def _seen(run: SamplingRun, clip: Target, drawn: Drawn) -> Sequence[Panel]:
    video = clip.sample.video
    return (
        _panel(clip, "given: video", video),
        _panel(clip, "answer: motion", video, _told(run, clip, drawn)),
        _panel(clip, "truth: motion", video, _true(clip)),
    )


def _shown(run: SamplingRun, clip: Target, drawn: Drawn) -> Sequence[Panel]:
    made = run.pictures(drawn.video_BCFHW)
    return (
        _panel(clip, "given: motion", None, _true(clip)),
        _panel(clip, "answer: video", made),
        _panel(clip, "answer, given motion", made, _true(clip)),
        _panel(clip, "truth: video", clip.sample.video),
    )


def _imagined(run: SamplingRun, clip: Target, drawn: Drawn) -> Sequence[Panel]:
    made = run.pictures(drawn.video_BCFHW)
    return (
        _panel(clip, "answer: video", made),
        _panel(clip, "answer: both", made, _told(run, clip, drawn)),
        _panel(clip, "truth: both", clip.sample.video, _true(clip)),
    )


def _panel(clip: Target, title: str, pictures: np.ndarray | None, body: PosedBody | None = None) -> Panel:
    return Panel(title=title, height=clip.bucket.height, width=clip.bucket.width, pictures=pictures, body=body)


def _true(clip: Target) -> PosedBody:
    sample = clip.sample
    return PosedBody(
        pose=np.concatenate([sample.global_orient[:, None], sample.body_pose], 1),
        transl=sample.transl,
        rest_joints=sample.rest_joints,
        cam_intrinsics=sample.cam_intrinsics,
        valid=sample.valid,
    )


def _told(run: SamplingRun, clip: Target, drawn: Drawn) -> PosedBody:
    """Sampled motion on the bones that the model tells of, before the clip's camera."""
    told = decode_features(run.normalizer.restore(drawn.motion_BTD[0]))
    return replace(
        _true(clip),
        pose=np.concatenate([told.global_orient.numpy()[:, None], told.body_pose.numpy()], 1),
        transl=told.transl.numpy(),
        rest_joints=told.rest_joints.numpy(),
        valid=np.ones(len(told.transl), bool),
    )

"""The samples of an evaluation as videos: input, output and ground truth of each mode."""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from echomotion_model.diffusion.sampler import SampleOutput
from echomotion_model.evaluation.clip_samples import ClipSamples
from echomotion_model.evaluation.panels import Panel, PosedBody, write_panels
from echomotion_model.evaluation.target import Target
from echomotion_model.generation.sampling_run import SamplingRun
from echomotion_model.motion.features import decode_features
from humove.errors import EXIT_DEFECT, UserError
from humove.video.encode import EncodeError


def write_samples(
    folder: Path, run: SamplingRun, target: Target, other: Target | None, samples: ClipSamples
) -> list[Path]:
    """Write an mp4 and a PNG of each mode, KEY-MODE, to `folder`, and of the swapped conditions if there is another
    clip. UserError if it is not writable."""
    sheets = {
        "video-to-motion": (target, _show_video_to_motion(run, target, samples.video_to_motion)),
        "motion-to-video": (target, _show_motion_to_video(run, target, samples.motion_to_video)),
        "joint": (target, _show_joint(run, target, samples.joint)),
    }
    if other is not None:
        named = _make_panel(target, f"the caption's clip {target.key[:6]}", target.sample.video)
        sheets["swapped-video-to-motion"] = (other, _show_video_to_motion(run, other, samples.swapped_video_to_motion))
        sheets["swapped-motion-to-video"] = (
            target,
            [*_show_motion_to_video(run, other, samples.swapped_motion_to_video), named],
        )
    written: list[Path] = []
    try:
        for name, (clip, panels) in sheets.items():
            title = name if name.endswith("video-to-motion") else f"{name}: {clip.sample.caption}"
            written += write_panels(folder / f"{target.key}-{name}", panels, title, target.bucket.frames, run.fps)
    except (OSError, EncodeError) as error:
        message = " ".join(str(error).split())
        raise UserError(
            f"{folder}: {message}; free space there, or give --samples another folder", EXIT_DEFECT
        ) from error
    return written


def _show_video_to_motion(run: SamplingRun, clip: Target, drawn: SampleOutput) -> Sequence[Panel]:
    video = clip.sample.video
    return (
        _make_panel(clip, "input: video", video),
        _make_panel(clip, "output: motion", video, _get_sampled_body(run, clip, drawn)),
        _make_panel(clip, "ground truth: motion", video, _get_true_body(clip)),
    )


def _show_motion_to_video(run: SamplingRun, clip: Target, drawn: SampleOutput) -> Sequence[Panel]:
    generated = run.decode_video(drawn.video_BCFHW)
    return (
        _make_panel(clip, "input: motion", None, _get_true_body(clip)),
        _make_panel(clip, "output: video", generated),
        _make_panel(clip, "output, input motion", generated, _get_true_body(clip)),
        _make_panel(clip, "ground truth: video", clip.sample.video),
    )


def _show_joint(run: SamplingRun, clip: Target, drawn: SampleOutput) -> Sequence[Panel]:
    generated = run.decode_video(drawn.video_BCFHW)
    return (
        _make_panel(clip, "output: video", generated),
        _make_panel(clip, "output: both", generated, _get_sampled_body(run, clip, drawn)),
        _make_panel(clip, "ground truth: both", clip.sample.video, _get_true_body(clip)),
    )


def _make_panel(clip: Target, title: str, video: np.ndarray | None, body: PosedBody | None = None) -> Panel:
    return Panel(title=title, height=clip.bucket.height, width=clip.bucket.width, video=video, body=body)


def _get_true_body(clip: Target) -> PosedBody:
    sample = clip.sample
    return PosedBody(
        pose=np.concatenate([sample.global_orient[:, None], sample.body_pose], 1),
        transl=sample.transl,
        rest_joints=sample.rest_joints,
        cam_intrinsics=sample.cam_intrinsics,
        valid=sample.valid,
    )


def _get_sampled_body(run: SamplingRun, clip: Target, drawn: SampleOutput) -> PosedBody:
    """Return sampled motion on the predicted bones, with the clip's camera."""
    decoded = decode_features(run.normalizer.denormalize(drawn.motion_BTD[0]))
    return replace(
        _get_true_body(clip),
        pose=np.concatenate([decoded.global_orient.numpy()[:, None], decoded.body_pose.numpy()], 1),
        transl=decoded.transl.numpy(),
        rest_joints=decoded.rest_joints.numpy(),
        valid=np.ones(len(decoded.transl), bool),
    )

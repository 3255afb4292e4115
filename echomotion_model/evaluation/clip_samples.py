"""The samples of a run for one clip: the three modes, and two of them with another clip's condition."""

from dataclasses import dataclass

from echomotion_model.diffusion.sampler import SampleOutput, SamplingConfig
from echomotion_model.diffusion.tasks import Task
from echomotion_model.evaluation.target import Target
from echomotion_model.generation.sampling_run import SamplingRun


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class ClipSamples:
    """The samples of one clip, all from the same noise."""

    video_to_motion: SampleOutput
    motion_to_video: SampleOutput
    """With the clip's caption."""
    joint: SampleOutput
    """From the clip's caption."""
    swapped_video_to_motion: SampleOutput | None
    """From the other clip's video. None if there is no other clip."""
    swapped_motion_to_video: SampleOutput | None
    """From the other clip's motion, with this clip's caption."""


def draw_clip_samples(
    run: SamplingRun, target: Target, other: Target | None, sampling: SamplingConfig, seed: int
) -> ClipSamples:
    """Draw samples of a clip with the noise of `seed`; `other` is of the same bucket."""
    common = {"bucket": target.bucket, "seed": seed, "sampling": sampling}
    caption = target.sample.caption

    def draw_motion(clip: Target) -> SampleOutput:
        return run.draw_sample(Task.VIDEO_TO_MOTION, video_BCFHW=clip.latents_BCFHW, **common)

    def draw_video(clip: Target) -> SampleOutput:
        return run.draw_sample(Task.MOTION_TO_VIDEO, caption=caption, motion_BTD=clip.motion_BTD, **common)

    return ClipSamples(
        video_to_motion=draw_motion(target),
        motion_to_video=draw_video(target),
        joint=run.draw_sample(Task.JOINT, caption=caption, **common),
        swapped_video_to_motion=None if other is None else draw_motion(other),
        swapped_motion_to_video=None if other is None else draw_video(other),
    )

"""What a run makes of one clip: the three modes, and two of them again with another clip's condition."""

from dataclasses import dataclass

from echomotion_model.diffusion.sampler import Drawn, SamplingConfig
from echomotion_model.diffusion.tasks import Task
from echomotion_model.evaluation.target import Target
from echomotion_model.generation.trained import SamplingRun


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answers:
    """Samples of one clip, all from the same noise."""

    seen: Drawn
    """Video to motion."""
    shown: Drawn
    """Motion to video, with the clip's caption."""
    imagined: Drawn
    """Both, from the clip's caption."""
    seen_of_other: Drawn | None
    """Video to motion of the other clip's video. None where there is no other clip."""
    shown_of_other: Drawn | None
    """Motion to video of the other clip's motion, with this clip's caption."""


def answers_of(run: SamplingRun, target: Target, other: Target | None, sampling: SamplingConfig, seed: int) -> Answers:
    """Samples a clip with the noise of `seed`; `other` is of the same bucket."""
    common = {"bucket": target.bucket, "seed": seed, "sampling": sampling}
    caption = target.sample.caption

    def seen(clip: Target) -> Drawn:
        return run.draw(Task.VIDEO_TO_MOTION, video_BCFHW=clip.latents_BCFHW, **common)

    def shown(clip: Target) -> Drawn:
        return run.draw(Task.MOTION_TO_VIDEO, caption=caption, motion_BTD=clip.motion_BTD, **common)

    return Answers(
        seen=seen(target),
        shown=shown(target),
        imagined=run.draw(Task.JOINT, caption=caption, **common),
        seen_of_other=None if other is None else seen(other),
        shown_of_other=None if other is None else shown(other),
    )

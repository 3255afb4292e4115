"""Whether the motion's annotator can work on what the keypoints' annotator gives: said before any work."""

from annotators.registry import chosen, names
from humove.config import Strict
from humove.errors import UserError


def check_landmarks(pose2d: Strict, motion: Strict) -> None:
    """UserError where the motion is fitted to points in metres, and the keypoints are points of the picture alone.

    Motion annotators of the first kind have `needs_landmarks`, keypoint annotators that give them `gives_landmarks`.
    """
    if not getattr(chosen("motion", motion), "needs_landmarks", False):
        return
    if getattr(chosen("pose2d", pose2d), "gives_landmarks", False):
        return
    others = ", ".join(name for name in names("motion") if name != motion.annotator)
    raise UserError(
        f"motion.annotator {motion.annotator!r} needs points in metres, which pose2d.annotator {pose2d.annotator!r} "
        f"does not give: set pose2d.annotator=blazepose, or another motion.annotator (installed are: {others})"
    )

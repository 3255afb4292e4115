"""The check that the motion annotator can use the output of the keypoint annotator, made before any work."""

from annotators.registry import create_annotator, list_annotators
from humove.config.strict import Strict
from humove.errors import UserError


def check_landmarks(pose2d: Strict, motion: Strict) -> None:
    """Raise UserError where the motion is fitted to points in metres but the keypoints exist only in image coordinates.

    Such motion annotators have `needs_landmarks`; keypoint annotators that give points in metres, `gives_landmarks`.
    """
    if not getattr(create_annotator("motion", motion), "needs_landmarks", False):
        return
    if getattr(create_annotator("pose2d", pose2d), "gives_landmarks", False):
        return
    others = ", ".join(name for name in list_annotators("motion") if name != motion.annotator)
    raise UserError(
        f"motion.annotator {motion.annotator!r} needs points in metres, which pose2d.annotator {pose2d.annotator!r} "
        f"does not give: set pose2d.annotator=blazepose, or another motion.annotator (installed are: {others})"
    )

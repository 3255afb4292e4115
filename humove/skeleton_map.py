"""Keypoints of one skeleton as those of another, by name.

Points of the same name are the same point, though models place hips and shoulders a little differently. Points that
two skeletons spell differently, and a few that lie in the middle of others, are listed here; a point that the source
does not have gets a score of zero.
"""

from collections.abc import Iterable

import numpy as np

from humove.skeletons import SKELETONS
from humove.types import Pose2D

_SAME = {
    "left_big_toe": "left_foot_index", "right_big_toe": "right_foot_index", "left_forefinger1": "left_index",
    "right_forefinger1": "right_index", "left_pinky_finger1": "left_pinky", "right_pinky_finger1": "right_pinky",
    "left_thumb3": "left_thumb", "right_thumb3": "right_thumb", "face-54": "mouth_left", "face-48": "mouth_right",
    "face-42": "left_eye_inner", "face-45": "left_eye_outer", "face-39": "right_eye_inner",
    "face-36": "right_eye_outer",
}  # fmt: skip
"""COCO-WholeBody's name of a point -> MediaPipe's. The face is seen from the front: its left lies on the picture's
right. MediaPipe's fingers are first knuckles, its thumb is the second one, as its documentation of the pose has it."""
_SPELT = {theirs: ours for ours, theirs in _SAME.items()}

_AMONG: dict[str, tuple[tuple[str, ...], ...]] = {
    "pelvis": (("left_hip", "right_hip"),),
    "neck": (("left_shoulder", "right_shoulder"),),
    "head": (("left_ear", "right_ear"),),
    **{f"{s}_hand": ((f"{s}_middle_finger1",), (f"{s}_index", f"{s}_pinky")) for s in ("left", "right")},
    **{f"{s}_hand_root": ((f"{s}_wrist",),) for s in ("left", "right")},
}
"""A point -> the points in whose middle it lies, or nearly; the first of these that the source has is taken. SMPL's
spine, collars and feet (the balls) lie under no point of the others."""


def converted(pose: Pose2D, skeleton: str) -> Pose2D:
    """The same keypoints as those of `skeleton`, a key of `SKELETONS`: 2D alone, (T, K', 2) px.

    A point in the middle of others has the least of their scores; one that cannot be had lies at (0, 0) with a score
    of 0. ValueError where there is no such skeleton.
    """
    if skeleton not in SKELETONS:
        raise ValueError(f"skeleton {skeleton!r}: not known; known are {', '.join(SKELETONS)}")
    names = SKELETONS[skeleton]
    keypoints = np.zeros((len(pose.scores), len(names), 2), np.float32)
    scores = np.zeros((len(pose.scores), len(names)), np.float32)
    index = {name: k for k, name in enumerate(pose.names)}
    for k, name in enumerate(names):
        rows = _rows(name, index)
        if rows:
            keypoints[:, k] = pose.keypoints[:, rows].mean(axis=1)
            scores[:, k] = pose.scores[:, rows].min(axis=1)
    return Pose2D(keypoints=keypoints, scores=scores, skeleton=skeleton, names=names)


def _rows(name: str, index: dict[str, int]) -> list[int]:
    """The points of the source that a point is the middle of; none where it cannot be had."""
    for wanted in _ways(name):
        if all(part in index for part in wanted):
            return [index[part] for part in wanted]
    return []


def _ways(name: str) -> Iterable[tuple[str, ...]]:
    yield (name,)
    if name in _SAME:
        yield (_SAME[name],)
    if name in _SPELT:
        yield (_SPELT[name],)
    yield from _AMONG.get(name, ())

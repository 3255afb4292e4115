"""Conversion of keypoints from one skeleton to another, by name.

Points of equal name are taken as equal, though models place hips and shoulders slightly differently. Points with
other names, and a few midpoints of others, are listed here; a point that the source lacks gets a score of zero.
"""

from collections.abc import Iterable

import numpy as np

from humove.motion.skeletons import SKELETONS
from humove.types import Pose2D

_TO_MEDIAPIPE = {
    "left_big_toe": "left_foot_index", "right_big_toe": "right_foot_index", "left_forefinger1": "left_index",
    "right_forefinger1": "right_index", "left_pinky_finger1": "left_pinky", "right_pinky_finger1": "right_pinky",
    "left_thumb3": "left_thumb", "right_thumb3": "right_thumb", "face-54": "mouth_left", "face-48": "mouth_right",
    "face-42": "left_eye_inner", "face-45": "left_eye_outer", "face-39": "right_eye_inner",
    "face-36": "right_eye_outer",
}  # fmt: skip
"""COCO-WholeBody's name of a point -> MediaPipe's. The face is seen from the front: its left is on the image's
right. MediaPipe's fingers are first knuckles, its thumb is the second one, as in its documentation."""
_FROM_MEDIAPIPE = {theirs: ours for ours, theirs in _TO_MEDIAPIPE.items()}

_MIDPOINTS: dict[str, tuple[tuple[str, ...], ...]] = {
    "pelvis": (("left_hip", "right_hip"),),
    "neck": (("left_shoulder", "right_shoulder"),),
    "head": (("left_ear", "right_ear"),),
    **{f"{s}_hand": ((f"{s}_middle_finger1",), (f"{s}_index", f"{s}_pinky")) for s in ("left", "right")},
    **{f"{s}_hand_root": ((f"{s}_wrist",),) for s in ("left", "right")},
}
"""A point -> sets of points whose midpoint it is, at least nearly; the first set that the source has is used. SMPL's
spine, collars and feet (the balls) have no counterpart in the others."""


def convert_skeleton(pose: Pose2D, skeleton: str) -> Pose2D:
    """Convert keypoints to `skeleton`, a key of `SKELETONS`: 2D only, (T, K', 2) px.

    A midpoint has the lowest of its points' scores; a missing point is (0, 0) with a score of 0. ValueError for an
    unknown skeleton.
    """
    if skeleton not in SKELETONS:
        raise ValueError(f"skeleton {skeleton!r} is unknown; known are {', '.join(SKELETONS)}")
    names = SKELETONS[skeleton]
    keypoints = np.zeros((len(pose.scores), len(names), 2), np.float32)
    scores = np.zeros((len(pose.scores), len(names)), np.float32)
    index = {name: k for k, name in enumerate(pose.names)}
    for k, name in enumerate(names):
        rows = _find_source_points(name, index)
        if rows:
            keypoints[:, k] = pose.keypoints[:, rows].mean(axis=1)
            scores[:, k] = pose.scores[:, rows].min(axis=1)
    return Pose2D(keypoints=keypoints, scores=scores, skeleton=skeleton, names=names)


def _find_source_points(name: str, index: dict[str, int]) -> list[int]:
    """Return the source's points whose midpoint is the point; empty if there are none."""
    for parts in _list_equivalents(name):
        if all(part in index for part in parts):
            return [index[part] for part in parts]
    return []


def _list_equivalents(name: str) -> Iterable[tuple[str, ...]]:
    yield (name,)
    if name in _TO_MEDIAPIPE:
        yield (_TO_MEDIAPIPE[name],)
    if name in _FROM_MEDIAPIPE:
        yield (_FROM_MEDIAPIPE[name],)
    yield from _MIDPOINTS.get(name, ())

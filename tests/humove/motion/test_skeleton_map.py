"""Conversion of keypoints between skeletons."""

import numpy as np
import pytest

from humove.motion.skeleton_map import convert_skeleton
from humove.motion.skeletons import (
    COCO_17,
    COCO_WHOLEBODY_133,
    MEDIAPIPE_33,
    SKELETONS,
    SMPL_JOINTS,
    find_mirror_indices,
)
from humove.types import Pose2D

FRAMES = 2


def make_pose(skeleton: str) -> Pose2D:
    """Make a pose: point k of frame t is at (10 k + t, 3 k) with a score of (k + 1) / K."""
    names = SKELETONS[skeleton]
    k = np.arange(len(names), dtype=np.float32)
    keypoints = np.stack([np.stack([10 * k + t, 3 * k], axis=1) for t in range(FRAMES)])
    scores = np.tile((k + 1) / len(names), (FRAMES, 1)).astype(np.float32)
    return Pose2D(keypoints=keypoints, scores=scores, skeleton=skeleton, names=names)


def get_point(p: Pose2D, name: str, frame: int = 1) -> tuple[float, float, float]:
    k = p.names.index(name)
    return (*map(float, p.keypoints[frame, k]), float(p.scores[frame, k]))


@pytest.mark.parametrize("source", SKELETONS)
@pytest.mark.parametrize("target", SKELETONS)
def test_a_point_that_both_have_keeps_its_place_and_score(source, target):
    before = make_pose(source)
    after = convert_skeleton(before, target)
    assert (after.skeleton, after.names) == (target, SKELETONS[target])
    shared = set(before.names) & set(after.names)
    assert {"left_shoulder", "right_ankle", "left_hip", "right_wrist"} <= shared
    for name in shared:
        assert get_point(after, name) == get_point(before, name), name


def test_to_itself_nothing_changes():
    for skeleton in SKELETONS:
        before = make_pose(skeleton)
        after = convert_skeleton(before, skeleton)
        assert np.array_equal(after.keypoints, before.keypoints) and np.array_equal(after.scores, before.scores)


@pytest.mark.parametrize(
    ("source", "theirs", "target", "ours"),
    [
        ("coco_wholebody_133", "face-54", "mediapipe_33", "mouth_left"),
        ("coco_wholebody_133", "face-36", "mediapipe_33", "right_eye_outer"),
        ("coco_wholebody_133", "left_big_toe", "mediapipe_33", "left_foot_index"),
        ("coco_wholebody_133", "right_pinky_finger1", "mediapipe_33", "right_pinky"),
        ("mediapipe_33", "right_index", "coco_wholebody_133", "right_forefinger1"),
        ("mediapipe_33", "mouth_right", "coco_wholebody_133", "face-48"),
        ("mediapipe_33", "left_wrist", "coco_wholebody_133", "left_hand_root"),
        ("coco_wholebody_133", "left_middle_finger1", "smpl_24", "left_hand"),
    ],
)
def test_points_with_other_names(source, theirs, target, ours):
    before = make_pose(source)
    assert get_point(convert_skeleton(before, target), ours) == get_point(before, theirs)


def test_midpoints_have_the_lowest_score():
    before = make_pose("mediapipe_33")
    body = convert_skeleton(before, "smpl_24")
    for name, parts in (
        ("pelvis", ("left_hip", "right_hip")),
        ("neck", ("left_shoulder", "right_shoulder")),
        ("head", ("left_ear", "right_ear")),
        ("right_hand", ("right_index", "right_pinky")),
    ):
        (ax, ay, a), (bx, by, b) = (get_point(before, part) for part in parts)
        assert get_point(body, name) == pytest.approx(((ax + bx) / 2, (ay + by) / 2, min(a, b)))


def test_a_missing_point_has_a_zero_score():
    body = convert_skeleton(make_pose("coco_17"), "smpl_24")
    for name in ("spine1", "left_collar", "right_foot", "left_hand"):
        assert get_point(body, name) == (0.0, 0.0, 0.0)
    whole = convert_skeleton(make_pose("coco_17"), "coco_wholebody_133")
    assert np.count_nonzero(whole.scores[0]) == 17 + 2  # and the roots of both hands, which are the wrists
    back = convert_skeleton(make_pose("smpl_24"), "coco_17")
    assert [name for name, score in zip(back.names, back.scores[0], strict=True) if score == 0] == list(COCO_17[:5])


def test_an_unknown_skeleton_names_the_known_ones():
    with pytest.raises(ValueError, match="'openpose'.*coco_17, coco_wholebody_133, mediapipe_33, smpl_24"):
        convert_skeleton(make_pose("coco_17"), "openpose")


def test_every_skeleton_is_its_own_mirror_image():
    assert [len(names) for names in (COCO_17, COCO_WHOLEBODY_133, MEDIAPIPE_33, SMPL_JOINTS)] == [17, 133, 33, 24]
    for names in SKELETONS.values():
        assert len(set(names)) == len(names)
        swap = find_mirror_indices(names)
        assert [swap[k] for k in swap] == list(range(len(names)))
    swap = find_mirror_indices(COCO_WHOLEBODY_133)
    of = {name: COCO_WHOLEBODY_133[swap[k]] for k, name in enumerate(COCO_WHOLEBODY_133)}
    assert (of["face-0"], of["face-36"], of["face-48"], of["face-33"]) == ("face-16", "face-45", "face-54", "face-33")
    assert (of["left_thumb3"], of["nose"], of["right_small_toe"]) == ("right_thumb3", "nose", "left_small_toe")

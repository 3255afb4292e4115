"""Motion between frames: slerp for rotations, linear translations, constant bone lengths."""

import numpy as np
import pytest
import torch

from echomotion_model.data.motion import resample_keypoints, resample_motion
from humove.motion.rotations import axis_angle_to_matrix, geodesic_angle
from humove.motion.skeletons import SMPL_PARENTS
from humove.types import Pose2D
from tests.echomotion_model.data.sets import compute_point, make_motion, make_pose2d

INSTANTS = 2 + np.arange(20) * 1.875
"""30 fps to 16."""


def compute_max_angle(a: np.ndarray, b: np.ndarray) -> float:
    """Compute the largest angle between rotations, rad."""
    a, b = (axis_angle_to_matrix(torch.from_numpy(np.asarray(each, np.float64))) for each in (a, b))
    return float(geodesic_angle(a, b).max())


def test_a_steady_turn_and_walk_stay_steady() -> None:
    motion = make_motion(40, 64, 64)
    moved = resample_motion(motion, INSTANTS)
    expected = np.stack([0 * INSTANTS, 0.1 * INSTANTS, 0 * INSTANTS], 1)
    assert compute_max_angle(moved.global_orient, expected) < 1e-3  # these rows include a rotation through pi
    np.testing.assert_allclose(moved.transl, np.stack([0.01 * INSTANTS, 0 * INSTANTS, 3 + 0 * INSTANTS], 1), atol=1e-6)
    assert np.ptp(motion.global_orient[:, 1]) < 4 and moved.global_orient.dtype == np.float32


def test_bones_keep_their_length_and_the_root_its_position() -> None:
    motion = make_motion(40, 64, 64)
    moved = resample_motion(motion, INSTANTS)
    for joint, parent in enumerate(SMPL_PARENTS):
        if parent >= 0:
            lengths = np.linalg.norm(moved.joints[:, joint] - moved.joints[:, parent], axis=-1)
            np.testing.assert_allclose(
                lengths, np.linalg.norm(motion.rest_joints[joint] - motion.rest_joints[parent]), atol=1e-5
            )
    np.testing.assert_allclose(moved.joints[:, 0], motion.rest_joints[0] + moved.transl, atol=1e-6)


@pytest.mark.parametrize("start", [0, 5, 20])
def test_at_a_frame_the_stored_row_is_returned(start: int) -> None:
    motion, pose = make_motion(40, 64, 64), make_pose2d(40, 64, 64)
    rows = start + np.arange(20)
    moved = resample_motion(motion, rows.astype(float))
    for name in ("transl", "confidence", "valid"):
        np.testing.assert_array_equal(getattr(moved, name), getattr(motion, name)[rows])
    np.testing.assert_allclose(moved.joints, motion.joints[rows], atol=1e-5)
    assert compute_max_angle(moved.body_pose, motion.body_pose[rows]) < 1e-3
    keypoints, scores = resample_keypoints(pose, rows.astype(float))
    np.testing.assert_array_equal(keypoints, pose.keypoints[rows])
    np.testing.assert_array_equal(scores, pose.scores[rows])


def test_an_instant_next_to_an_invalid_row_is_invalid() -> None:
    motion = make_motion(40, 64, 64)  # rows 3 and 10 are not
    moved = resample_motion(motion, np.array([1.5, 2.0, 2.5, 3.0, 3.5, 4.0, 4.5]))
    assert moved.valid.tolist() == [True, True, False, False, False, True, True]
    assert not moved.confidence[~moved.valid].any() and (moved.confidence[moved.valid] > 0.5).all()


def test_keypoints_are_interpolated_and_have_the_lower_score() -> None:
    pose = make_pose2d(10, 64, 64)
    scores = pose.scores.copy()
    scores[4] = 0.1
    pose = Pose2D(keypoints=pose.keypoints, scores=scores, skeleton="s", names=pose.names)
    keypoints, resampled = resample_keypoints(pose, np.array([2.5, 3.25, 4.75]))
    np.testing.assert_allclose(keypoints[:, 0], [compute_point(t, 64, 64) for t in (2.5, 3.25, 4.75)], rtol=1e-5)
    np.testing.assert_allclose(resampled[:, 0], [0.9, 0.1, 0.1], rtol=1e-6)

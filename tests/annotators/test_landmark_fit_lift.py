"""The corrected depth and its confidence."""

from dataclasses import replace

import numpy as np
import pytest

from annotators.landmark_fit.confidence import FrameUncertainty, compute_frame_confidence, measure_disagreement
from annotators.landmark_fit.lift import STATURE_M, load_lifter, make_lifter_input
from annotators.landmark_fit.markers import load_markers
from annotators.landmark_fit.size import measure_bone_lengths
from annotators.landmark_fit.weights import compute_landmark_weights
from humove.motion.body import Body
from humove.motion.skeletons import MEDIAPIPE_33, find_mirror_indices

SWAP = list(find_mirror_indices(MEDIAPIPE_33))
INDEX = {name: i for i, name in enumerate(MEDIAPIPE_33)}


def make_landmarks(size: float = 1.0) -> tuple[np.ndarray, ...]:
    """A standing person facing the camera with noise: world, mirror_world, keypoints, mirror_keypoints, scores."""
    rng = np.random.default_rng(3)
    points = load_markers().place_at_rest(Body.load().rest_joints.astype(np.float64)) * (1, -1, -1) * size
    points[:, 0] *= 0.7  # arms a little nearer than a T-pose
    world = points + rng.normal(0, 0.02, (6, 33, 3))
    return world, world + 0.01, 300 * world[..., :2] + 250, 300 * world[..., :2] + 251, np.full((6, 33), 0.9)


def test_the_mirrored_person_gives_the_mirrored_result() -> None:
    lifter, frames = load_lifter(), make_lifter_input(*make_landmarks())
    points, spread = lifter(frames)
    other, other_spread = lifter(frames.flip())
    assert np.allclose(other, points[:, SWAP] * (-1, 1, 1), atol=1e-5)
    assert np.allclose(other_spread, spread[:, SWAP], rtol=1e-4)


def test_the_lift_is_independent_of_camera_and_position() -> None:
    lifter = load_lifter()
    world, mirror_world, keypoints, mirror_keypoints, scores = make_landmarks()
    points, _ = lifter(make_lifter_input(world, mirror_world, keypoints, mirror_keypoints, scores))
    moved, _ = lifter(make_lifter_input(world, mirror_world, 2 * keypoints + 40, 2 * mirror_keypoints + 40, scores))
    assert np.allclose(points, moved, atol=1e-5)


def test_the_lift_has_the_stated_stature_and_is_near_the_input() -> None:
    frames = make_lifter_input(*make_landmarks())
    points, spread = load_lifter()(frames)
    body = Body.load()
    own = load_markers().place_at_rest(body.rest_joints.astype(np.float64)) * (STATURE_M / body.stature)
    legs = measure_bone_lengths(points, INDEX)[:, 2:4].sum(-1) / measure_bone_lengths(own, INDEX)[2:4].sum()
    assert legs.mean() == pytest.approx(1, abs=0.08)
    assert np.linalg.norm(points - frames.world, axis=-1).mean() < 0.15
    assert (spread > 0).all()


def test_a_leg_folded_in_one_pass_makes_the_lifter_unsure() -> None:
    world, mirror_world, keypoints, mirror_keypoints, scores = make_landmarks()
    lifter = load_lifter()
    _, calm = lifter(make_lifter_input(world, mirror_world, keypoints, mirror_keypoints, scores))
    folded = mirror_world.copy()
    folded[:, [INDEX["left_knee"], INDEX["left_ankle"]], 2] -= (0.35, 0.25)
    _, unsure = lifter(make_lifter_input(world, folded, keypoints, mirror_keypoints, scores))
    assert unsure.mean() > 1.1 * calm.mean()


def test_confidence_falls_with_uncertainty_and_is_the_expected_error() -> None:
    doubt = FrameUncertainty(spread=np.full((1, 33), 0.02), apart=np.full((1, 33), 0.05), scores=np.ones((1, 33)))
    residual = np.full((1, 33), 0.01)
    base = compute_frame_confidence(doubt, residual)
    # 8400 mm * 0.03 * sqrt(0.06) + 10 mm = 71.7 mm; exp(-71.7 / 150) = 0.620
    assert base[0] == pytest.approx(0.620, abs=0.001)
    for worse in (
        replace(doubt, spread=doubt.spread * 2),
        replace(doubt, apart=doubt.apart * 4),
        replace(doubt, scores=doubt.scores * 0),
    ):
        assert compute_frame_confidence(worse, residual)[0] < base[0] - 0.1
    assert compute_frame_confidence(doubt, residual * 5)[0] < base[0] - 0.1


def test_disagreement_ignores_a_common_shift() -> None:
    world = make_landmarks()[0]
    assert measure_disagreement(world, world + 1.0) == pytest.approx(np.zeros((6, 33)), abs=1e-9)


def test_frames_without_a_person_weigh_nothing_and_hidden_landmarks_little() -> None:
    shape = (2, 33)
    scores = np.ones(shape)
    scores[:, INDEX["left_knee"]] = 0.0
    found = np.array([True, False])
    weights_3d, weights_2d = compute_landmark_weights(scores, np.zeros(shape), np.full(shape, 0.02), found)
    assert not weights_3d[1].any()
    assert not weights_2d[1].any()
    assert weights_2d[0, INDEX["left_knee"]] < 0.2 * weights_2d[0, INDEX["right_knee"]]
    assert weights_3d[0, INDEX["left_knee"]] == weights_3d[0, INDEX["right_knee"]]

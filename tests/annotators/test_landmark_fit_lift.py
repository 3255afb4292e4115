"""The corrected depth and what is said of its certainty."""

from dataclasses import replace

import numpy as np
import pytest

from annotators.landmark_fit.confidence import Doubt, disagreement, frame_confidence
from annotators.landmark_fit.lift import STATURE_M, frames_of, load_lifter
from annotators.landmark_fit.markers import load_markers
from annotators.landmark_fit.size import bone_lengths
from annotators.landmark_fit.weights import landmark_weights
from humove.body import Body
from humove.skeletons import MEDIAPIPE_33, mirrored

SWAP = list(mirrored(MEDIAPIPE_33))
INDEX = {name: i for i, name in enumerate(MEDIAPIPE_33)}


def seen(size: float = 1.0) -> tuple[np.ndarray, ...]:
    """A standing person facing the camera with noise: world, mirror_world, keypoints, mirror_keypoints, scores."""
    rng = np.random.default_rng(3)
    points = load_markers().at_rest(Body.load().rest_joints.astype(np.float64)) * (1, -1, -1) * size
    points[:, 0] *= 0.7  # arms a little nearer than a T-pose
    world = points + rng.normal(0, 0.02, (6, 33, 3))
    return world, world + 0.01, 300 * world[..., :2] + 250, 300 * world[..., :2] + 251, np.full((6, 33), 0.9)


def test_mirror_image_of_the_person_gives_the_mirror_image_of_the_answer() -> None:
    lifter, frames = load_lifter(), frames_of(*seen())
    points, spread = lifter(frames)
    other, other_spread = lifter(frames.flipped())
    assert np.allclose(other, points[:, SWAP] * (-1, 1, 1), atol=1e-5)
    assert np.allclose(other_spread, spread[:, SWAP], rtol=1e-4)


def test_neither_camera_nor_place_in_the_picture_matters() -> None:
    lifter = load_lifter()
    world, mirror_world, keypoints, mirror_keypoints, scores = seen()
    points, _ = lifter(frames_of(world, mirror_world, keypoints, mirror_keypoints, scores))
    moved, _ = lifter(frames_of(world, mirror_world, 2 * keypoints + 40, 2 * mirror_keypoints + 40, scores))
    assert np.allclose(points, moved, atol=1e-5)


def test_answer_is_a_person_of_the_stated_stature_and_stays_near_what_was_seen() -> None:
    frames = frames_of(*seen())
    points, spread = load_lifter()(frames)
    body = Body.load()
    own = load_markers().at_rest(body.rest_joints.astype(np.float64)) * (STATURE_M / body.stature)
    legs = bone_lengths(points, INDEX)[:, 2:4].sum(-1) / bone_lengths(own, INDEX)[2:4].sum()
    assert legs.mean() == pytest.approx(1, abs=0.08)
    assert np.linalg.norm(points - frames.world, axis=-1).mean() < 0.15
    assert (spread > 0).all()


def test_a_leg_folded_in_one_pass_makes_the_lifter_unsure() -> None:
    world, mirror_world, keypoints, mirror_keypoints, scores = seen()
    lifter = load_lifter()
    _, calm = lifter(frames_of(world, mirror_world, keypoints, mirror_keypoints, scores))
    folded = mirror_world.copy()
    folded[:, [INDEX["left_knee"], INDEX["left_ankle"]], 2] -= (0.35, 0.25)
    _, unsure = lifter(frames_of(world, folded, keypoints, mirror_keypoints, scores))
    assert unsure.mean() > 1.1 * calm.mean()


def test_confidence_falls_with_each_doubt_and_says_the_expected_error() -> None:
    doubt = Doubt(spread=np.full((1, 33), 0.02), apart=np.full((1, 33), 0.05), scores=np.ones((1, 33)))
    residual = np.full((1, 33), 0.01)
    base = frame_confidence(doubt, residual)
    # 8400 mm * 0.03 * sqrt(0.06) + 10 mm = 71.7 mm; exp(-71.7 / 150) = 0.620
    assert base[0] == pytest.approx(0.620, abs=0.001)
    for worse in (
        replace(doubt, spread=doubt.spread * 2),
        replace(doubt, apart=doubt.apart * 4),
        replace(doubt, scores=doubt.scores * 0),
    ):
        assert frame_confidence(worse, residual)[0] < base[0] - 0.1
    assert frame_confidence(doubt, residual * 5)[0] < base[0] - 0.1


def test_disagreement_ignores_a_common_shift() -> None:
    world = seen()[0]
    assert disagreement(world, world + 1.0) == pytest.approx(np.zeros((6, 33)), abs=1e-9)


def test_unseen_frames_weigh_nothing_and_hidden_landmarks_little() -> None:
    shape = (2, 33)
    scores = np.ones(shape)
    scores[:, INDEX["left_knee"]] = 0.0
    found = np.array([True, False])
    weights_3d, weights_2d = landmark_weights(scores, np.zeros(shape), np.full(shape, 0.02), found)
    assert not weights_3d[1].any()
    assert not weights_2d[1].any()
    assert weights_2d[0, INDEX["left_knee"]] < 0.2 * weights_2d[0, INDEX["right_knee"]]
    assert weights_3d[0, INDEX["left_knee"]] == weights_3d[0, INDEX["right_knee"]]

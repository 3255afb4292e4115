"""Smoothing, gaps, repair and sizes, each on its own."""

import numpy as np
import pytest

from annotators.landmark_fit.markers import load_markers
from annotators.landmark_fit.prior import FREE_JOINTS, load_prior
from annotators.landmark_fit.repair import ORDERS, find_swapped_states, undo_swaps
from annotators.landmark_fit.size import fit_translation, measure_bone_lengths, scale_bones
from annotators.landmark_fit.solver.smooth import smooth_linear, smooth_rotations
from annotators.motion_smoothing.gaps import fill_gaps, fill_rotation_gaps
from humove.motion.body import Body
from humove.motion.skeletons import MEDIAPIPE_33, find_mirror_indices
from humove.types import Landmarks

REST = Body.load().rest_joints.astype(np.float64)
INDEX = {name: i for i, name in enumerate(MEDIAPIPE_33)}


def test_smoothing_lowers_jitter_and_does_not_shift() -> None:
    t = np.arange(120) / 30
    truth = 0.8 * np.sin(2 * np.pi * 0.7 * t)
    noisy = truth + np.random.default_rng(0).normal(0, 0.05, 120)
    series = np.zeros((120, 2, 3), np.float32)
    series[:, 0, 1] = noisy
    smooth = smooth_rotations(series, 1.5)[:, 0, 1]
    assert np.abs(np.diff(smooth, 3)).mean() < 0.2 * np.abs(np.diff(noisy, 3)).mean()
    lags = [np.corrcoef(smooth[5:-5], truth[5 + lag : 115 + lag])[0, 1] for lag in (-2, -1, 0, 1, 2)]
    assert int(np.argmax(lags)) == 2
    assert np.abs(smooth - truth).mean() < np.abs(noisy - truth).mean()


def test_smoothing_keeps_straight_lines_to_their_ends() -> None:
    line = np.linspace(0, 3, 40)[:, None] * np.array([1.0, -2.0, 0.5])
    assert np.allclose(smooth_linear(line, 2.0), line)
    assert np.allclose(smooth_linear(line[:2], 2.0), line[:2])
    assert smooth_linear(line, 0.0) is line


def test_smoothing_passes_half_a_turn() -> None:
    angle = np.linspace(np.pi - 0.5, np.pi + 0.5, 31)
    wrapped = np.where(angle > np.pi, angle - 2 * np.pi, angle)
    series = np.zeros((31, 1, 3), np.float32)
    series[:, 0, 1] = wrapped
    smooth = smooth_rotations(series, 2.0)[:, 0, 1] % (2 * np.pi)
    assert np.abs(smooth - angle).max() < 0.01


def test_gaps_are_filled_along_the_shortest_arc() -> None:
    known = np.array([True, False, False, True, False])
    values = np.array([[0.0], [9], [9], [3], [9]])
    assert fill_gaps(values, known)[:, 0] == pytest.approx([0, 1, 2, 3, 3])
    turns = np.zeros((5, 1, 3), np.float32)
    turns[0, 0, 0], turns[3, 0, 0] = 3.0, -3.0  # 0.283 rad apart through half a turn
    between = fill_rotation_gaps(turns, known)[1, 0, 0]
    assert abs(between) > 3.0


def make_walking_world(frames: int = 30) -> np.ndarray:
    """(frames, 33, 3) m: a person whose wrists and ankles swing against each other."""
    points = np.tile(load_markers().place_at_rest(REST), (frames, 1, 1))
    swing = 0.25 * np.sin(2 * np.pi * np.arange(frames) / 30)
    for side, sign in (("left", 1), ("right", -1)):
        points[:, [INDEX[f"{side}_{n}"] for n in ("ankle", "heel", "foot_index")], 2] += sign * swing[:, None]
        points[:, INDEX[f"{side}_knee"], 2] += 0.5 * sign * swing
        points[:, INDEX[f"{side}_wrist"], 2] -= sign * swing
    return points


@pytest.mark.parametrize("state", [1, 2, 3], ids=["body", "legs", "arms"])
def test_planted_swaps_are_found_and_nothing_else(state: int) -> None:
    world = make_walking_world()
    assert not find_swapped_states(world, np.ones(30, bool)).any()
    spoilt = world.copy()
    spoilt[12:15] = spoilt[12:15][:, ORDERS[state]]
    states = find_swapped_states(spoilt, np.ones(30, bool))
    assert (states[12:15] == state).all()
    assert not np.delete(states, [12, 13, 14]).any()


def test_undo_swaps_repairs_every_array() -> None:
    world = make_walking_world().astype(np.float32)
    pixels = world[..., :2] * 100
    clean = Landmarks(
        keypoints=pixels, scores=np.tile(np.linspace(0.5, 1, 33, dtype=np.float32), (30, 1)), skeleton="mediapipe_33",
        names=MEDIAPIPE_33, world=world, mirror_keypoints=pixels, mirror_world=world, found=np.ones(30, bool),
    )  # fmt: skip
    arrays = {}
    for name in ("keypoints", "scores", "world"):
        arrays[name] = getattr(clean, name).copy()
        arrays[name][10:13] = arrays[name][10:13][:, ORDERS[1]]
    repaired, changed = undo_swaps(
        Landmarks(
            skeleton=clean.skeleton,
            names=clean.names,
            mirror_keypoints=clean.mirror_keypoints,
            mirror_world=clean.mirror_world,
            found=clean.found,
            **arrays,
        )  # fmt: skip
    )
    assert np.flatnonzero(changed).tolist() == [10, 11, 12]
    for name in ("keypoints", "scores", "world", "mirror_keypoints", "mirror_world"):
        assert (getattr(repaired, name) == getattr(clean, name)).all(), name


def test_translation_is_recovered_exactly_from_exact_rays() -> None:
    points = np.random.default_rng(1).normal(0, 0.5, (4, 33, 3))
    truth = np.array([[0.1, -0.2, 3.0], [1, 0, 5], [0, 0, 2.5], [-0.5, 0.4, 8]])
    there = points + truth[:, None]
    found = fit_translation(points, there[..., :2] / there[..., 2:], np.ones((4, 33)))
    assert np.allclose(found, truth, atol=1e-5)


def test_size_and_bones() -> None:
    at_rest = load_markers().place_at_rest(REST)
    assert measure_bone_lengths(at_rest, INDEX).shape == (7,)
    longer = np.ones(24)
    longer[[4, 5]] = 1.1
    rest = scale_bones(REST, longer)
    thigh = np.linalg.norm(rest[4] - rest[1]) / np.linalg.norm(REST[4] - REST[1])
    shin = np.linalg.norm(rest[7] - rest[4]) / np.linalg.norm(REST[7] - REST[4])
    assert (thigh, shin) == (pytest.approx(1.1), pytest.approx(1.0))


def test_landmark_table_is_symmetric_and_on_the_body() -> None:
    markers = load_markers()
    at_rest = markers.place_at_rest(REST)
    assert np.allclose(at_rest * (-1, 1, 1), at_rest[list(find_mirror_indices(MEDIAPIPE_33))], atol=2e-3)
    assert np.abs(markers.offsets[[INDEX["left_knee"], INDEX["left_elbow"], INDEX["left_wrist"]]]).max() < 0.04


def test_the_prior_penalises_a_knee_bent_backwards() -> None:
    prior = load_prior()
    natural = prior.mean.reshape(1, 19, 3)
    wrong = natural.clone()
    wrong[0, FREE_JOINTS.index(4), 0] = -0.8
    assert prior.compute_limit_cost(natural) < 0.05
    assert prior.compute_limit_cost(wrong) > prior.compute_limit_cost(natural) + 5
    assert prior.compute_cost(wrong) > prior.compute_cost(natural)

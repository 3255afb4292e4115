"""Undo swaps of left and right over a few frames, found by continuity in time.

Every frame is in one of four states: unchanged, whole body swapped, legs swapped, arms swapped. The cheapest path
through the clip (Viterbi) costs the distance between successive frames and a small amount for every swapped frame, so
that only swaps that make the motion continuous are undone. A clip that is swapped throughout is not detected.
"""

from dataclasses import replace

import numpy as np

from humove.motion.skeletons import MEDIAPIPE_33, find_mirror_indices
from humove.types import Landmarks

_SWAP = np.array(find_mirror_indices(MEDIAPIPE_33))
_HAND = ("elbow", "wrist", "pinky", "index", "thumb")
_ARMS = [i for i, name in enumerate(MEDIAPIPE_33) if any(p in name for p in _HAND) and "foot" not in name]
_LEGS = [i for i, name in enumerate(MEDIAPIPE_33) if any(p in name for p in ("knee", "ankle", "heel", "foot"))]
_MAJOR = [MEDIAPIPE_33.index(f"{s}_{p}") for p in ("shoulder", "elbow", "wrist", "hip", "knee", "ankle")
          for s in ("left", "right")]  # fmt: skip
_STAY = 0.02
"""Cost of a swapped frame in metres, averaged over the limb landmarks."""
_CHANGE = 0.03
"""Cost of each change of state in metres."""


def _make_orders() -> np.ndarray:
    plain = np.arange(33)
    legs, arms = plain.copy(), plain.copy()
    legs[_LEGS], arms[_ARMS] = _SWAP[_LEGS], _SWAP[_ARMS]
    return np.stack([plain, _SWAP, legs, arms])


ORDERS = _make_orders()
"""(4, 33): the landmarks' order in each state."""


def find_swapped_states(world: np.ndarray, found: np.ndarray) -> np.ndarray:
    """Find the state (N,) 0..3 of each frame of world (N, 33, 3) m; frames without a person keep state 0."""
    states = np.zeros(len(world), dtype=np.int64)
    rows = np.flatnonzero(found)
    if len(rows) < 3:
        return states
    versions = world[rows][:, ORDERS][:, :, _MAJOR]
    gaps = np.diff(rows)
    steps = (
        np.linalg.norm(versions[1:, None, :] - versions[:-1, :, None], axis=-1).mean(-1) / np.sqrt(gaps)[:, None, None]
    )
    stay = _STAY * (np.arange(4) > 0)
    change = _CHANGE * (1 - np.eye(4))
    cost = stay.copy()
    came_from = np.zeros((len(rows), 4), dtype=np.int64)
    for i, step in enumerate(steps, start=1):
        total = cost[:, None] + step + change
        came_from[i] = total.argmin(0)
        cost = total.min(0) + stay
    state = int(cost.argmin())
    for i in range(len(rows) - 1, -1, -1):
        states[rows[i]] = state
        state = came_from[i, state]
    return states


def undo_swaps(landmarks: Landmarks) -> tuple[Landmarks, np.ndarray]:
    """Return the landmarks with left and right exchanged back, and the frames (N,) bool that were changed."""
    states = find_swapped_states(landmarks.world, landmarks.found)
    mirror_states = find_swapped_states(landmarks.mirror_world, landmarks.found)
    rows = np.arange(len(states))[:, None]
    order, mirror_order = ORDERS[states], ORDERS[mirror_states]
    repaired = replace(
        landmarks,
        keypoints=landmarks.keypoints[rows, order],
        scores=landmarks.scores[rows, order],
        world=landmarks.world[rows, order],
        mirror_keypoints=landmarks.mirror_keypoints[rows, mirror_order],
        mirror_world=landmarks.mirror_world[rows, mirror_order],
    )
    return repaired, states > 0

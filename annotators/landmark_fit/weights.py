"""Weight of each landmark on each frame."""

import numpy as np

from humove.motion.skeletons import MEDIAPIPE_33

_SHARE = {
    "shoulder": 1.0, "elbow": 1.0, "wrist": 1.0, "hip": 1.0, "knee": 1.0, "ankle": 1.0,
    "heel": 0.4, "foot_index": 0.4, "pinky": 0.15, "index": 0.15, "thumb": 0.1,
    "nose": 0.2, "eye": 0.07, "eye_inner": 0.0, "eye_outer": 0.0, "ear": 0.2, "mouth": 0.1,
}  # fmt: skip
_DISAGREEMENT_M = 0.15
_SPREAD_M = 0.03


def _get_share(name: str) -> float:
    return _SHARE[name.removeprefix("left_").removeprefix("right_").removesuffix("_left").removesuffix("_right")]


SHARES = np.array([_get_share(name) for name in MEDIAPIPE_33])


def compute_landmark_weights(
    scores: np.ndarray, apart: np.ndarray, spread: np.ndarray, found: np.ndarray
) -> np.ndarray:
    """Compute weights (2, N, 33) of the 3D and the 2D landmarks; 0 on frames without a person.

    3D weights follow the lifter's `spread`, m; 2D weights follow the visibility and the disagreement of the mirrored
    pass (`apart`, m), since visibility alone is no confidence.
    """
    base = SHARES * found[:, None]
    sure_3d = 1 / (1 + (spread / _SPREAD_M) ** 2)
    sure_2d = (0.1 + 0.9 * scores) / (1 + (apart / _DISAGREEMENT_M) ** 2)
    return np.stack([base * sure_3d, base * sure_2d])

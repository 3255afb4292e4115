"""How much each landmark counts on each frame."""

import numpy as np

from humove.skeletons import MEDIAPIPE_33

_SHARE = {
    "shoulder": 1.0, "elbow": 1.0, "wrist": 1.0, "hip": 1.0, "knee": 1.0, "ankle": 1.0,
    "heel": 0.4, "foot_index": 0.4, "pinky": 0.15, "index": 0.15, "thumb": 0.1,
    "nose": 0.2, "eye": 0.07, "eye_inner": 0.0, "eye_outer": 0.0, "ear": 0.2, "mouth": 0.1,
}  # fmt: skip
_DISAGREEMENT_M = 0.12


def _share(name: str) -> float:
    return _SHARE[name.removeprefix("left_").removeprefix("right_").removesuffix("_left").removesuffix("_right")]


SHARES = np.array([_share(name) for name in MEDIAPIPE_33])


def landmark_weights(scores: np.ndarray, apart: np.ndarray, found: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """(N, 33) weights of the 3D and the 2D landmarks, from visibility and the mirrored pass's disagreement (m).

    Visibility alone is no confidence, so it only halves; a landmark that the mirrored picture puts elsewhere counts less.
    """
    trust = 1 / (1 + (apart / _DISAGREEMENT_M) ** 2)
    base = SHARES * trust * found[:, None]
    return base * (0.5 + 0.5 * scores), base * (0.1 + 0.9 * scores)

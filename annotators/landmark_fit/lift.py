"""Correct the landmark model's 3D points by a small network trained on the model's errors.

The error of MediaPipe's metric landmarks is mostly in depth (80 mm per limb joint, against 30 mm across). From one
frame's landmarks of both passes, in 3D and 2D, the network predicts the points of a body 1.70 m tall and their error.
It was trained on images of the proxy body, from all sides, moved by motion capture of the CMU Graphics Lab
(mocap.cs.cmu.edu; created with funding from NSF EIA-0196217).
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import gelu

from humove.motion.skeletons import MEDIAPIPE_33, find_mirror_indices

TABLE = Path(__file__).with_name("lifter.npz")
STATURE_M = 1.70
"""Stature of the bodies that the network predicts."""

_UNUSED = (
    "left_eye_inner", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer", "mouth_left", "mouth_right",
    "left_pinky", "right_pinky", "left_thumb", "right_thumb",
)  # fmt: skip
_USED = [i for i, name in enumerate(MEDIAPIPE_33) if name not in _UNUSED]
_HIPS = [MEDIAPIPE_33.index("left_hip"), MEDIAPIPE_33.index("right_hip")]
_SWAP = list(find_mirror_indices(MEDIAPIPE_33))
_LOG_SPREAD = -2.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LifterInput:
    """One clip's landmarks as the network's input; float64, centred on the hips."""

    world: np.ndarray
    """(N, 33, 3) m."""
    mirror_world: np.ndarray
    """(N, 33, 3) m."""
    image: np.ndarray
    """(N, 33, 2): image landmarks, scaled to the size of `world`."""
    mirror_image: np.ndarray
    """(N, 33, 2)."""
    scores: np.ndarray
    """(N, 33) 0..1."""

    def flip(self) -> "LifterInput":
        """Mirror the person."""
        return LifterInput(
            world=self.world[:, _SWAP] * (-1, 1, 1),
            mirror_world=self.mirror_world[:, _SWAP] * (-1, 1, 1),
            image=self.image[:, _SWAP] * (-1, 1),
            mirror_image=self.mirror_image[:, _SWAP] * (-1, 1),
            scores=self.scores[:, _SWAP],
        )

    def stack_features(self) -> np.ndarray:
        """Stack the network's input (N, 242)."""
        n = len(self.world)
        parts = (
            self.world, self.mirror_world - self.world, self.image, self.mirror_image - self.image, self.scores
        )  # fmt: skip
        return np.concatenate([part[:, _USED].reshape(n, -1) for part in parts], 1)


def make_lifter_input(
    world: np.ndarray, mirror_world: np.ndarray, keypoints: np.ndarray, mirror_keypoints: np.ndarray, scores: np.ndarray
) -> LifterInput:
    """Make the input from the arrays of `humove.types.Landmarks`; it has no image scale, so no camera is needed."""
    centred = world - world[:, _HIPS].mean(1, keepdims=True)
    middle = keypoints[:, _HIPS].mean(1, keepdims=True)
    image = keypoints - middle
    size = np.abs((centred[..., :2] * image).sum((1, 2))) / np.maximum((image**2).sum((1, 2)), 1e-9)
    return LifterInput(
        world=centred,
        mirror_world=mirror_world - mirror_world[:, _HIPS].mean(1, keepdims=True),
        image=image * size[:, None, None],
        mirror_image=(mirror_keypoints - middle) * size[:, None, None],
        scores=scores.astype(np.float64),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lifter:
    """The network: two hidden layers; its outputs for a frame and for its mirror image are averaged."""

    mean: np.ndarray
    spread: np.ndarray
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    def __call__(self, landmarks: LifterInput) -> tuple[np.ndarray, np.ndarray]:
        """Predict points (N, 33, 3) m of a body of STATURE_M, centred on the hips, and their spread (N, 33) m."""
        points, spread = self._run_network(landmarks)
        other, other_spread = self._run_network(landmarks.flip())
        points = 0.5 * (points + other[:, _SWAP] * (-1, 1, 1))
        return points, np.sqrt(spread * other_spread[:, _SWAP])

    def _run_network(self, landmarks: LifterInput) -> tuple[np.ndarray, np.ndarray]:
        x = torch.from_numpy(((landmarks.stack_features() - self.mean) / self.spread).astype(np.float32))
        for i, (weight, bias) in enumerate(self.layers):
            x = (gelu(x) if i else x) @ weight + bias
        out = x.numpy().astype(np.float64)
        points = landmarks.world + out[:, :99].reshape(-1, 33, 3)
        return points, np.exp(out[:, 99:] + _LOG_SPREAD)


def load_lifter(table: Path = TABLE) -> Lifter:
    """Read the baked weights."""
    with np.load(table, allow_pickle=False) as arrays:
        layers = tuple(
            tuple(torch.from_numpy(arrays[f"{kind}{i}"].astype(np.float32)) for kind in "wb") for i in range(3)
        )
        return Lifter(mean=arrays["mean"], spread=arrays["spread"], layers=layers)

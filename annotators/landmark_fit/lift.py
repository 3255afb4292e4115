"""Corrects the landmark model's 3D: a small network that knows how its errors hang together.

MediaPipe's metric landmarks are wrong in depth above all (80 mm a limb joint, against 30 mm across). The network sees
one frame's landmarks of both passes, in 3D and 2D, and says where the points of a body 1.70 m tall are and how sure it
is. It was trained on pictures of the proxy body moved by motion capture of the CMU Graphics Lab (mocap.cs.cmu.edu;
created with funding from NSF EIA-0196217), seen from all sides.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch.nn.functional import gelu

from humove.skeletons import MEDIAPIPE_33, mirrored

TABLE = Path(__file__).with_name("lifter.npz")
STATURE_M = 1.70
"""Stature of the bodies that the network speaks of."""

_UNUSED = (
    "left_eye_inner", "left_eye_outer", "right_eye_inner", "right_eye", "right_eye_outer", "mouth_left", "mouth_right",
    "left_pinky", "right_pinky", "left_thumb", "right_thumb",
)  # fmt: skip
_SEEN = [i for i, name in enumerate(MEDIAPIPE_33) if name not in _UNUSED]
_HIPS = [MEDIAPIPE_33.index("left_hip"), MEDIAPIPE_33.index("right_hip")]
_SWAP = list(mirrored(MEDIAPIPE_33))
_LOG_SPREAD = -2.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Frames:
    """One clip's landmarks as the network sees them; float64, hips in the middle."""

    world: np.ndarray
    """(N, 33, 3) m."""
    mirror_world: np.ndarray
    """(N, 33, 3) m."""
    picture: np.ndarray
    """(N, 33, 2): image landmarks, brought to the size of `world`."""
    mirror_picture: np.ndarray
    """(N, 33, 2)."""
    scores: np.ndarray
    """(N, 33) 0..1."""

    def flipped(self) -> "Frames":
        """The same person in the mirror."""
        return Frames(
            world=self.world[:, _SWAP] * (-1, 1, 1),
            mirror_world=self.mirror_world[:, _SWAP] * (-1, 1, 1),
            picture=self.picture[:, _SWAP] * (-1, 1),
            mirror_picture=self.mirror_picture[:, _SWAP] * (-1, 1),
            scores=self.scores[:, _SWAP],
        )

    def rows(self) -> np.ndarray:
        """(N, 242): the network's input."""
        n = len(self.world)
        parts = (
            self.world, self.mirror_world - self.world, self.picture, self.mirror_picture - self.picture, self.scores
        )  # fmt: skip
        return np.concatenate([part[:, _SEEN].reshape(n, -1) for part in parts], 1)


def frames_of(
    world: np.ndarray, mirror_world: np.ndarray, keypoints: np.ndarray, mirror_keypoints: np.ndarray, scores: np.ndarray
) -> Frames:
    """From landmarks as `humove.types.Landmarks` has them; the picture's scale is lost, so no camera is needed."""
    centred = world - world[:, _HIPS].mean(1, keepdims=True)
    middle = keypoints[:, _HIPS].mean(1, keepdims=True)
    picture = keypoints - middle
    size = np.abs((centred[..., :2] * picture).sum((1, 2))) / np.maximum((picture**2).sum((1, 2)), 1e-9)
    return Frames(
        world=centred,
        mirror_world=mirror_world - mirror_world[:, _HIPS].mean(1, keepdims=True),
        picture=picture * size[:, None, None],
        mirror_picture=(mirror_keypoints - middle) * size[:, None, None],
        scores=scores.astype(np.float64),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Lifter:
    """The network: two hidden layers; its answer for a frame and for its mirror image are averaged."""

    mean: np.ndarray
    spread: np.ndarray
    layers: tuple[tuple[torch.Tensor, torch.Tensor], ...]

    def __call__(self, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
        """(points (N, 33, 3) m of a body of STATURE_M, hips in the middle; spread (N, 33) m: how unsure each is)."""
        points, spread = self._once(frames)
        other, other_spread = self._once(frames.flipped())
        points = 0.5 * (points + other[:, _SWAP] * (-1, 1, 1))
        return points, np.sqrt(spread * other_spread[:, _SWAP])

    def _once(self, frames: Frames) -> tuple[np.ndarray, np.ndarray]:
        x = torch.from_numpy(((frames.rows() - self.mean) / self.spread).astype(np.float32))
        for i, (weight, bias) in enumerate(self.layers):
            x = (gelu(x) if i else x) @ weight + bias
        out = x.numpy().astype(np.float64)
        points = frames.world + out[:, :99].reshape(-1, 33, 3)
        return points, np.exp(out[:, 99:] + _LOG_SPREAD)


def load_lifter(table: Path = TABLE) -> Lifter:
    """Reads the baked weights."""
    with np.load(table, allow_pickle=False) as arrays:
        layers = tuple(
            tuple(torch.from_numpy(arrays[f"{kind}{i}"].astype(np.float32)) for kind in "wb") for i in range(3)
        )
        return Lifter(mean=arrays["mean"], spread=arrays["spread"], layers=layers)

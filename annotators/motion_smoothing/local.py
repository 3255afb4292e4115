"""Local regression in time, after Cleveland 1979 (LOWESS), over vectors and over rotations.

About each frame a parabola is fitted to its neighbours, weighted by a Gaussian in time, and its value there is taken;
then once more with less weight for frames that were far off. A parabola keeps turning points, which a mean wears down.
For rotations the fit is made in the tangent space of SO(3) at the neighbours' mean, so no chart's border is met.
"""

from dataclasses import dataclass

import numpy as np
import roma
import torch

from humove.rotations import quaternion_to_axis_angle

_ORDER = 2
_ROUNDS = 2
"""Times that frames far off are given less weight, and the fit repeated."""
_OUTLIER = 6.0
"""A frame counts for nothing from so many median residuals on."""
_LEAST_TURN, _LEAST_MOVE = 0.4, 0.1
"""Radians and metres that a frame may always be off without being doubted altogether."""
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalFit:
    """A smoother of one clip: `width` is the standard deviation in frames, `weights` (N,) is what each frame counts."""

    width: float
    weights: np.ndarray

    def vectors(self, values: np.ndarray) -> np.ndarray:
        """(N, 3) m, smoothed; float64."""
        if self._idle():
            return values
        index, near, times = self._windows()
        seen = values[index].astype(np.float64)[:, None]
        doubt = np.ones((len(values), 1))
        for again in range(_ROUNDS + 1):
            out = self._fitted(seen, near, times, doubt[index])[:, 0]
            if again < _ROUNDS:
                doubt = _doubted(np.linalg.norm(values - out, axis=-1)[:, None], _LEAST_MOVE)
        return out

    def rotations(self, axis_angle: np.ndarray) -> np.ndarray:
        """(N, J, 3) axis-angle, smoothed; float32."""
        if self._idle():
            return axis_angle
        index, near, times = self._windows()
        quats = roma.rotvec_to_unitquat(torch.from_numpy(axis_angle.astype(np.float64)))
        around = quats[torch.from_numpy(index)].transpose(1, 2)
        base = _mean_rotation(around, near)
        doubt = np.ones(axis_angle.shape[:2])
        for again in range(_ROUNDS + 1):
            # (N, J, W, 3): the window's rotations as seen from the best guess so far.
            seen = _turn_from(base[:, :, None], around).numpy()
            step = torch.from_numpy(self._fitted(seen, near, times, doubt[index]))
            base = roma.quat_product(base, roma.rotvec_to_unitquat(step))
            if again < _ROUNDS:
                doubt = _doubted(_turn_from(base, quats).norm(dim=-1).numpy(), _LEAST_TURN)
        return quaternion_to_axis_angle(base).numpy().astype(np.float32)

    def _idle(self) -> bool:
        return self.width <= 0 or len(self.weights) < 3

    def _windows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """(N, W) frames about each frame, their weights, and (W,) their times in units of the width."""
        n, reach = len(self.weights), max(int(np.ceil(3 * self.width)), 1)
        offsets = np.arange(-reach, reach + 1)
        index = np.arange(n)[:, None] + offsets
        inside = (index >= 0) & (index < n)
        index = np.clip(index, 0, n - 1)
        times = offsets / self.width
        return index, np.exp(-0.5 * times**2) * inside * self.weights[index], times

    def _fitted(self, seen: np.ndarray, near: np.ndarray, times: np.ndarray, doubt: np.ndarray) -> np.ndarray:
        """(N, J, 3): the fits' values in the middle. seen: (N, J, W, 3); near: (N, W); doubt: (N, W, J)."""
        weights = near[:, None] * np.swapaxes(doubt, 1, 2)
        powers = times[:, None] ** np.arange(_ORDER + 1)
        normal = np.einsum("njw,wp,wq->njpq", weights, powers, powers, optimize=True)
        # With too few neighbours the slope and the bend are left at nothing.
        normal += np.diag([1e-12] + [_RIDGE] * _ORDER)
        right = np.einsum("njw,wp,njwc->njpc", weights, powers, seen, optimize=True)
        return np.linalg.solve(normal, right)[..., 0, :]


def _doubted(off: np.ndarray, least: float) -> np.ndarray:
    """(N, J) Tukey's weight of each frame by how far off it is (N, J), one scale for each J."""
    reach = np.maximum(_OUTLIER * np.median(off, axis=0), least)
    return np.maximum(1 - (off / reach) ** 2, 0) ** 2 + 1e-6


def _mean_rotation(around: torch.Tensor, near: np.ndarray) -> torch.Tensor:
    """(N, J, 4) chordal mean (Markley 2007) of the windows' quaternions (N, J, W, 4), weighted by `near` (N, W).

    Where the fit starts: a single frame that is turned about, as models do in a profile, hardly moves it.
    """
    spread = torch.einsum("nw,njwa,njwb->njab", torch.from_numpy(near), around, around)
    return torch.linalg.eigh(spread)[1][..., -1].contiguous()


def _turn_from(base: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
    """Axis-angle (..., 3) of the rotation, in the frame of `base`, that takes it to `to`; quaternions (..., 4)."""
    return quaternion_to_axis_angle(roma.quat_product(*torch.broadcast_tensors(roma.quat_conjugation(base), to)))

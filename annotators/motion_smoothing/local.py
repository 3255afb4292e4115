"""Local regression in time, after Cleveland 1979 (LOWESS), over vectors and over rotations.

Around each frame a parabola is fitted to its neighbours, weighted by a Gaussian in time, and evaluated there; the fit
is repeated with less weight for outliers. A parabola keeps turning points, which a mean flattens. Rotations are fitted
in the tangent space of SO(3) at the neighbours' mean, so no chart's border is met.
"""

from dataclasses import dataclass

import numpy as np
import roma
import torch

from humove.motion.rotations import quaternion_to_axis_angle

_ORDER = 2
_ROUNDS = 2
"""Number of repetitions with less weight for outliers."""
_OUTLIER = 6.0
"""Frames beyond this many median residuals have no weight."""
_MIN_REACH_RAD, _MIN_REACH_M = 0.4, 0.1
"""Residuals in radians and metres below which a frame always keeps some weight."""
_RIDGE = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class LocalFit:
    """A smoother of one clip: `width` is the standard deviation in frames, `weights` (N,) those of the frames."""

    width: float
    weights: np.ndarray

    def smooth_vectors(self, values: np.ndarray) -> np.ndarray:
        """Smooth (N, 3) m; float64."""
        if self._is_idle():
            return values
        index, near, times = self._make_windows()
        observed = values[index].astype(np.float64)[:, None]
        robust = np.ones((len(values), 1))
        for attempt in range(_ROUNDS + 1):
            out = self._fit_parabolas(observed, near, times, robust[index])[:, 0]
            if attempt < _ROUNDS:
                robust = _compute_robust_weights(np.linalg.norm(values - out, axis=-1)[:, None], _MIN_REACH_M)
        return out

    def smooth_rotations(self, axis_angle: np.ndarray) -> np.ndarray:
        """Smooth axis-angles (N, J, 3); float32."""
        if self._is_idle():
            return axis_angle
        index, near, times = self._make_windows()
        quats = roma.rotvec_to_unitquat(torch.from_numpy(axis_angle.astype(np.float64)))
        around = quats[torch.from_numpy(index)].transpose(1, 2)
        base = _compute_mean_rotation(around, near)
        robust = np.ones(axis_angle.shape[:2])
        for attempt in range(_ROUNDS + 1):
            # (N, J, W, 3): the window's rotations relative to the current estimate.
            observed = _compute_relative_rotation(base[:, :, None], around).numpy()
            step = torch.from_numpy(self._fit_parabolas(observed, near, times, robust[index]))
            base = roma.quat_product(base, roma.rotvec_to_unitquat(step))
            if attempt < _ROUNDS:
                robust = _compute_robust_weights(
                    _compute_relative_rotation(base, quats).norm(dim=-1).numpy(), _MIN_REACH_RAD
                )
        return quaternion_to_axis_angle(base).numpy().astype(np.float32)

    def _is_idle(self) -> bool:
        return self.width <= 0 or len(self.weights) < 3

    def _make_windows(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Make frames (N, W) around each frame, their weights, and times (W,) in units of the width."""
        n, reach = len(self.weights), max(int(np.ceil(3 * self.width)), 1)
        offsets = np.arange(-reach, reach + 1)
        index = np.arange(n)[:, None] + offsets
        inside = (index >= 0) & (index < n)
        index = np.clip(index, 0, n - 1)
        times = offsets / self.width
        return index, np.exp(-0.5 * times**2) * inside * self.weights[index], times

    def _fit_parabolas(
        self, observed: np.ndarray, near: np.ndarray, times: np.ndarray, robust: np.ndarray
    ) -> np.ndarray:
        """Fit the windows and return their central values (N, J, 3) from observed (N, J, W, 3), near (N, W) and robust
        (N, W, J)."""
        weights = near[:, None] * np.swapaxes(robust, 1, 2)
        powers = times[:, None] ** np.arange(_ORDER + 1)
        normal = np.einsum("njw,wp,wq->njpq", weights, powers, powers, optimize=True)
        # With too few neighbours slope and curvature stay zero.
        normal += np.diag([1e-12] + [_RIDGE] * _ORDER)
        right = np.einsum("njw,wp,njwc->njpc", weights, powers, observed, optimize=True)
        return np.linalg.solve(normal, right)[..., 0, :]


def _compute_robust_weights(residual: np.ndarray, min_reach: float) -> np.ndarray:
    """Compute Tukey's weight (N, J) of each frame from its residual (N, J), one scale for each J."""
    reach = np.maximum(_OUTLIER * np.median(residual, axis=0), min_reach)
    return np.maximum(1 - (residual / reach) ** 2, 0) ** 2 + 1e-6


def _compute_mean_rotation(around: torch.Tensor, near: np.ndarray) -> torch.Tensor:
    """Compute the chordal mean (N, J, 4) (Markley 2007) of quaternions (N, J, W, 4), weighted by `near` (N, W).

    The fit starts from it: a single frame that is turned around, as models do in profile, hardly moves it.
    """
    spread = torch.einsum("nw,njwa,njwb->njab", torch.from_numpy(near), around, around)
    return torch.linalg.eigh(spread)[1][..., -1].contiguous()


def _compute_relative_rotation(base: torch.Tensor, to: torch.Tensor) -> torch.Tensor:
    """Compute the axis-angle (..., 3) of the rotation from `base` to `to` in `base`'s frame; quaternions (..., 4)."""
    return quaternion_to_axis_angle(roma.quat_product(*torch.broadcast_tensors(roma.quat_conjugation(base), to)))

"""Rotations: thin wrappers of roma (https://naver.github.io/roma), and resampling in time.

Axis-angle is in radians. Torch functions keep dtype and device, take any leading shape and have finite gradients at
the identity and at half a turn. Resampling functions take numpy arrays, compute in float64 and return float32.

roma is imported inside functions: it imports torch.compile's machinery, which takes more than a second.
"""

import numpy as np
import torch


def axis_angle_to_matrix(axis_angle: torch.Tensor) -> torch.Tensor:
    """(..., 3) radians -> (..., 3, 3). Rodrigues' formula with the series near zero."""
    theta2 = (axis_angle * axis_angle).sum(-1)[..., None, None]
    near = theta2 < 1e-4
    safe2 = torch.where(near, torch.ones_like(theta2), theta2)
    theta = safe2.sqrt()
    a = torch.where(near, 1 - theta2 / 6 + theta2 * theta2 / 120, theta.sin() / theta)
    b = torch.where(near, 0.5 - theta2 / 24 + theta2 * theta2 / 720, (1 - theta.cos()) / safe2)
    x, y, z = axis_angle.unbind(-1)
    o = torch.zeros_like(x)
    k = torch.stack([o, -z, y, z, o, -x, -y, x, o], -1).reshape(*x.shape, 3, 3)
    eye = torch.eye(3, dtype=axis_angle.dtype, device=axis_angle.device)
    return eye + a * k + b * (k @ k)


def matrix_to_axis_angle(matrix: torch.Tensor) -> torch.Tensor:
    """(..., 3, 3) -> (..., 3) radians, of length at most pi."""
    import roma

    return quaternion_to_axis_angle(roma.rotmat_to_unitquat(matrix))


def axis_angle_to_quaternion(axis_angle: torch.Tensor) -> torch.Tensor:
    """(..., 3) radians -> unit quaternions (..., 4), roma's order x, y, z, w."""
    import roma

    return roma.rotvec_to_unitquat(axis_angle)


def quaternion_to_axis_angle(quat: torch.Tensor) -> torch.Tensor:
    """Unit quaternions (..., 4), roma's order x, y, z, w -> (..., 3) radians, of length at most pi.

    The half angle comes from atan2 with its square root guarded, so the gradient at the identity is finite (a plain
    log map gives NaN there).
    """
    quat = torch.where(quat[..., 3:] < 0, -quat, quat)
    xyz, w = quat[..., :3], quat[..., 3:]
    s2 = (xyz * xyz).sum(-1, keepdim=True)
    near = s2 < 1e-8
    s = torch.where(near, torch.ones_like(s2), s2).sqrt()
    factor = torch.where(near, 2 + s2 / 3, 2 * torch.atan2(s, w) / s)
    return factor * xyz


def matrix_to_6d(matrix: torch.Tensor) -> torch.Tensor:
    """(..., 3, 3) -> (..., 6): the first two columns, one after the other (Zhou et al. 2019)."""
    return matrix[..., :2].transpose(-1, -2).flatten(-2)


def sixd_to_matrix(sixd: torch.Tensor) -> torch.Tensor:
    """(..., 6) -> (..., 3, 3) by Gram-Schmidt; the input need not be normalised."""
    import roma

    return roma.special_gramschmidt(sixd.unflatten(-1, (2, 3)).transpose(-1, -2))


def geodesic_angle(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    """Compute the angle in radians, 0..pi, between rotation matrices a and b (..., 3, 3)."""
    import roma

    return roma.rotmat_geodesic_distance(a, b)


def resample_rotations(axis_angle: np.ndarray, times: np.ndarray, new_times: np.ndarray) -> np.ndarray:
    """Slerp the axis-angle series (N, ..., 3) at ascending `times` (N,) to `new_times` (M,) -> (M, ..., 3).

    Outside that span the first and last rows are repeated.
    """
    import roma

    low, share = _find_brackets(times, new_times)
    quats = axis_angle_to_quaternion(torch.from_numpy(np.asarray(axis_angle, dtype=np.float64)))
    if len(times) == 1:
        picked = quats[low]
    else:
        steps = torch.from_numpy(share).reshape(-1, *[1] * (quats.ndim - 2))
        a, b = quats[low], quats[low + 1]
        b = torch.where((a * b).sum(-1, keepdim=True) < 0, -b, b)
        delta = quaternion_to_axis_angle(roma.quat_product(roma.quat_conjugation(a), b))
        picked = roma.quat_product(a, axis_angle_to_quaternion(delta * steps[..., None]))
    return quaternion_to_axis_angle(picked).numpy().astype(np.float32)


def resample_linear(values: np.ndarray, times: np.ndarray, new_times: np.ndarray) -> np.ndarray:
    """Interpolate (N, ...) at ascending `times` (N,) to `new_times` (M,) -> (M, ...); ends are repeated."""
    low, share = _find_brackets(times, new_times)
    values = np.asarray(values, dtype=np.float64)
    if len(times) == 1:
        return values[low].astype(np.float32)
    share = share.reshape(-1, *[1] * (values.ndim - 1))
    return (values[low] * (1 - share) + values[low + 1] * share).astype(np.float32)


def _find_brackets(times: np.ndarray, new_times: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Find for each new time the index of the sample before it and the share of the way to the next, 0..1."""
    times, new_times = np.asarray(times, dtype=np.float64), np.asarray(new_times, dtype=np.float64)
    if len(times) == 0 or (np.diff(times) <= 0).any():
        raise ValueError(f"{len(times)} times: expected at least one, strictly ascending")
    if len(times) == 1:
        return np.zeros(len(new_times), dtype=np.int64), np.zeros(len(new_times))
    low = np.clip(np.searchsorted(times, new_times, side="right") - 1, 0, len(times) - 2)
    share = (new_times - times[low]) / (times[low + 1] - times[low])
    return low, np.clip(share, 0.0, 1.0)

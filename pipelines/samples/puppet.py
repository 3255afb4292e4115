"""A puppet: from trunk angles, planted feet and reaching hands to SMPL parameters. Angles in radians, lengths in m.

World frame: y up, floor at y = 0; at yaw 0 the puppet faces +z and its left is +x. N is the number of frames; every
argument is given for all of them.
"""

import numpy as np
import torch

from humove.motion.body import Body
from humove.motion.retarget import WorldMotion
from humove.motion.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from humove.motion.skeletons import SMPL_JOINTS, SMPL_PARENTS

_INDEX = {name: i for i, name in enumerate(SMPL_JOINTS)}
_HEEL_BEHIND_ANKLE_M = 0.05
# A leg is never fully stretched: the knee would lock, where the rate of its angle is unbounded.
_MAX_STRETCH = 0.99


def make_rotation(axis: str, angle: np.ndarray | float) -> np.ndarray:
    """Make rotations (N, 3, 3), or (3, 3) for a number, about one axis, "x", "y" or "z"."""
    angle = np.asarray(angle, dtype=np.float64)
    vector = np.zeros((*angle.shape, 3))
    vector[..., "xyz".index(axis)] = angle
    return axis_angle_to_matrix(torch.from_numpy(vector)).numpy()


class Puppet:
    """A body whose parts are set, then `solve_motion()` is called. Left is side 0, right is side 1."""

    def __init__(self, body: Body, frames: int, fps: float) -> None:
        self.body, self.frames, self.fps = body, frames, fps
        self.rest = body.rest_joints.astype(np.float64)
        sole = float(body.rest_vertices[:, 1].min())
        self.ankle_height = float(self.rest[7, 1]) - sole
        self.standing = float(self.rest[0, 1]) - sole
        self.leg = float(sum(np.linalg.norm(self.rest[b] - self.rest[a]) for a, b in ((1, 4), (4, 7))))
        self.hip_width = float(self.rest[1, 0] - self.rest[2, 0])
        self.size = body.stature / 1.70
        self._local = np.tile(np.eye(3), (frames, 24, 1, 1))
        self._pelvis = np.zeros((frames, 3))
        self._feet: list[tuple[np.ndarray, np.ndarray, np.ndarray] | None] = [None, None]

    def set_pelvis(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, yaw: np.ndarray, tilt=0.0, roll=0.0) -> None:
        """Set position and rotation of the pelvis; tilt > 0 leans forward, roll > 0 drops its right side."""
        zero = np.zeros(self.frames)
        self._pelvis = np.stack([x + zero, y + zero, z + zero], 1)
        self._local[:, 0] = (
            make_rotation("y", yaw + zero) @ make_rotation("x", tilt + zero) @ make_rotation("z", roll + zero)
        )

    def set_trunk(self, lean=0.0, twist=0.0, side=0.0) -> None:
        """Bend the spine over its three joints: lean > 0 forward, twist > 0 to the left, side > 0 to the right."""
        zero = np.zeros(self.frames)
        part = (
            make_rotation("y", (twist + zero) / 3)
            @ make_rotation("x", (lean + zero) / 3)
            @ make_rotation("z", (-side + zero) / 3)
        )
        for joint in (3, 6, 9):
            self._local[:, joint] = part

    def set_head(self, nod=0.0, look=0.0) -> None:
        """Turn the head: nod > 0 looks down, look > 0 to the left."""
        zero = np.zeros(self.frames)
        part = make_rotation("y", (look + zero) / 2) @ make_rotation("x", (nod + zero) / 2)
        self._local[:, 12] = self._local[:, 15] = part

    def set_foot(self, side: int, x, z, yaw, lift=0.0, pitch=0.0) -> None:
        """Set a foot: flat at (x, z) under its ankle, then lifted, then pitched: > 0 lifts the heel, < 0 the toes."""
        zero = np.zeros(self.frames)
        flat = np.stack([x + zero, self.ankle_height + lift + zero, z + zero], 1)
        heading, pitch = make_rotation("y", yaw + zero), pitch + zero
        ball = self.rest[10] - self.rest[7]
        ball = np.array([0, -self.ankle_height, ball[2]])
        heel = np.array([0, -self.ankle_height, -_HEEL_BEHIND_ANKLE_M * self.size])
        pivot = np.where(pitch[:, None] > 0, ball, heel)
        rock = make_rotation("x", pitch)
        arm = pivot - (rock @ pivot[..., None])[..., 0]
        self._feet[side] = (flat + (heading @ arm[..., None])[..., 0], heading @ rock, np.maximum(pitch, 0))

    def set_arm(self, side: int, swing, out, bend, twist=0.0) -> None:
        """Set an arm by angles from hanging: swing > 0 is forward, out > 0 sideways; bend > 0 flexes the elbow."""
        zero, sign = np.zeros(self.frames), (1 if side == 0 else -1)
        hang = make_rotation("z", -sign * (np.pi / 2 - out + zero))
        self._local[:, 16 + side] = make_rotation("x", -(swing + zero)) @ hang @ make_rotation("x", twist + zero)
        self._local[:, 18 + side] = make_rotation("y", -sign * (bend + zero))

    def move_hand_to(self, side: int, target: np.ndarray, share: np.ndarray, elbow: np.ndarray) -> None:
        """Turn the arm by `share` 0..1 of the way from its angles to those with the wrist at `target` (N, 3).

        `elbow` (3,) is the direction of the elbow in the trunk's frame.
        """
        turns, places = self._compute_world()
        pole = (turns[:, 9] @ np.asarray(elbow, dtype=np.float64)[:, None])[..., 0]
        hinge = np.array([0.0, -1.0 if side == 0 else 1.0, 0.0])
        chain = (16 + side, 18 + side, 20 + side)
        upper, lower = self._solve_two_bones(places[:, chain[0]], target, pole, chain, hinge)
        self._turn_towards(chain[0], np.swapaxes(turns[:, 13 + side], 1, 2) @ upper, share)
        self._turn_towards(chain[1], np.swapaxes(upper, 1, 2) @ lower, share)

    def _turn_towards(self, joint: int, goal: np.ndarray, share: np.ndarray) -> None:
        way = matrix_to_axis_angle(torch.from_numpy(np.swapaxes(self._local[:, joint], 1, 2) @ goal))
        part = axis_angle_to_matrix(way * torch.from_numpy(share)[:, None]).numpy()
        self._local[:, joint] = self._local[:, joint] @ part

    def add_jitter(self, rng: np.random.Generator, amount: float = 0.012) -> None:
        """Add slow small movements, as of a living body: `amount` radians in trunk, neck and arms."""
        for joint in (3, 6, 9, 12, 15, 16, 17, 18, 19, 20, 21):
            wobble = np.stack([make_slow_noise(rng, self.frames, self.fps) for _ in range(3)], 1) * amount
            self._local[:, joint] = self._local[:, joint] @ axis_angle_to_matrix(torch.from_numpy(wobble)).numpy()

    def lower_pelvis(self) -> None:
        """Lower the pelvis where a leg would not reach its foot, smoothly in time. Call after pelvis and feet."""
        _, places = self._compute_world()
        drop = np.zeros(self.frames)
        for side, foot in enumerate(self._feet):
            hip, ankle = places[:, 1 + side], foot[0]
            flat = np.hypot(*(ankle - hip)[:, (0, 2)].T)
            reach = np.sqrt(np.maximum((_MAX_STRETCH * self.leg) ** 2 - flat**2, 0.01))
            drop = np.maximum(drop, hip[:, 1] - ankle[:, 1] - reach)
        width = max(1, round(0.08 * self.fps))
        padded = np.pad(drop, 2 * width, mode="edge")
        widest = np.max(np.lib.stride_tricks.sliding_window_view(padded, 2 * width + 1), axis=1)
        self._pelvis[:, 1] -= np.convolve(widest, np.ones(2 * width + 1) / (2 * width + 1), mode="valid")

    def solve_motion(self) -> WorldMotion:
        """Solve the legs; return the SMPL parameters."""
        turns, places = self._compute_world()
        for side, foot in enumerate(self._feet):
            if foot is None:
                raise ValueError("both feet must be set before solve_motion()")
            ankle, heading, toes = foot
            ahead = heading @ np.array([0.0, 0.0, 1.0]) + turns[:, 0] @ np.array([0.0, 0.0, 1.0])
            upper, lower = self._solve_two_bones(
                places[:, 1 + side], ankle, ahead, (1 + side, 4 + side, 7 + side), np.array([1.0, 0, 0])
            )
            self._local[:, 1 + side] = np.swapaxes(turns[:, 0], 1, 2) @ upper
            self._local[:, 4 + side] = np.swapaxes(upper, 1, 2) @ lower
            self._local[:, 7 + side] = np.swapaxes(lower, 1, 2) @ heading
            self._local[:, 10 + side] = make_rotation("x", -toes)
        pose = matrix_to_axis_angle(torch.from_numpy(self._local)).numpy().astype(np.float32)
        return WorldMotion(
            body=self.body,
            global_orient=pose[:, 0],
            body_pose=pose[:, 1:],
            transl=(self._pelvis - self.rest[0]).astype(np.float32),
            fps=self.fps,
        )

    def _compute_world(self) -> tuple[np.ndarray, np.ndarray]:
        turns, places = np.empty((self.frames, 24, 3, 3)), np.empty((self.frames, 24, 3))
        turns[:, 0], places[:, 0] = self._local[:, 0], self._pelvis
        for j in range(1, 24):
            above = SMPL_PARENTS[j]
            turns[:, j] = turns[:, above] @ self._local[:, j]
            places[:, j] = places[:, above] + turns[:, above] @ (self.rest[j] - self.rest[above])
        return turns, places

    def _solve_two_bones(self, root, target, pole, chain: tuple[int, int, int], hinge: np.ndarray):
        """Solve world rotations of two bones with the chain's end at `target`, the middle joint pushed along `pole`."""
        first, second = (self.rest[b] - self.rest[a] for a, b in zip(chain, chain[1:], strict=False))
        a, b = np.linalg.norm(first), np.linalg.norm(second)
        way = target - root
        length = np.linalg.norm(way, axis=1, keepdims=True)
        along = way / length
        length = np.clip(length, abs(a - b) + 0.02, (a + b) * 0.9995)
        pole = pole - (pole * along).sum(1, keepdims=True) * along
        pole /= np.linalg.norm(pole, axis=1, keepdims=True)
        forward = (a * a - b * b + length * length) / (2 * length)
        aside = np.sqrt(np.maximum(a * a - forward * forward, 0))
        upper = forward * along + aside * pole
        lower = length * along - upper
        normal = np.cross(pole, along)
        return _aim_bone(upper, normal, first, hinge), _aim_bone(lower, normal, second, hinge)


def make_slow_noise(rng: np.random.Generator, frames: int, fps: float) -> np.ndarray:
    """Make noise (frames,) of zero mean, about unit amplitude, and no frequency above 1.2 Hz."""
    t = np.arange(frames) / fps
    return sum(
        weight * np.sin(2 * np.pi * (rate * t + rng.uniform()))
        for rate, weight in ((rng.uniform(0.2, 0.5), 0.7), (rng.uniform(0.6, 1.2), 0.3))
    )


def _aim_bone(bone: np.ndarray, normal: np.ndarray, rest_bone: np.ndarray, rest_normal: np.ndarray) -> np.ndarray:
    """Compute rotations (N, 3, 3) of the rest bone onto `bone`, with its hinge as near to `normal` as possible."""
    return _make_bases(bone, normal) @ _make_bases(rest_bone[None], rest_normal[None])[0].T


def _make_bases(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = y - (y * x).sum(1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], -1)

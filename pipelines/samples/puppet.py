"""A puppet: trunk angles, planted feet and reaching hands in, SMPL parameters out. All angles in radians, metres.

World frame: y up, floor at y = 0; at yaw 0 the puppet faces +z and its left is +x. N is the number of frames; every
setting is given for all of them.
"""

import numpy as np
import torch

from humove.body import Body
from humove.retarget import WorldMotion
from humove.rotations import axis_angle_to_matrix, matrix_to_axis_angle
from humove.skeletons import SMPL_JOINTS, SMPL_PARENTS

_INDEX = {name: i for i, name in enumerate(SMPL_JOINTS)}
_HEEL_BEHIND_ANKLE_M = 0.05
# A leg is never stretched wholly: knees lock otherwise, and the angle's rate has no bound there.
_MAX_STRETCH = 0.99


def turn(axis: str, angle: np.ndarray | float) -> np.ndarray:
    """(N, 3, 3), or (3, 3) for a number: rotation about one axis, "x", "y" or "z"."""
    angle = np.asarray(angle, dtype=np.float64)
    vector = np.zeros((*angle.shape, 3))
    vector[..., "xyz".index(axis)] = angle
    return axis_angle_to_matrix(torch.from_numpy(vector)).numpy()


class Puppet:
    """Set the parts, then `motion()`. Left is side 0, right is side 1."""

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

    def pelvis(self, x: np.ndarray, y: np.ndarray, z: np.ndarray, yaw: np.ndarray, tilt=0.0, roll=0.0) -> None:
        """Where the pelvis is and how it is turned; tilt > 0 leans forward, roll > 0 drops its right side."""
        zero = np.zeros(self.frames)
        self._pelvis = np.stack([x + zero, y + zero, z + zero], 1)
        self._local[:, 0] = turn("y", yaw + zero) @ turn("x", tilt + zero) @ turn("z", roll + zero)

    def trunk(self, lean=0.0, twist=0.0, side=0.0) -> None:
        """The spine's bend over its three joints: lean > 0 forward, twist > 0 to the left, side > 0 to the right."""
        zero = np.zeros(self.frames)
        part = turn("y", (twist + zero) / 3) @ turn("x", (lean + zero) / 3) @ turn("z", (-side + zero) / 3)
        for joint in (3, 6, 9):
            self._local[:, joint] = part

    def head(self, nod=0.0, look=0.0) -> None:
        """nod > 0 looks down, look > 0 to the left."""
        zero = np.zeros(self.frames)
        part = turn("y", (look + zero) / 2) @ turn("x", (nod + zero) / 2)
        self._local[:, 12] = self._local[:, 15] = part

    def foot(self, side: int, x, z, yaw, lift=0.0, pitch=0.0) -> None:
        """The foot flat at (x, z) under its ankle, then lifted, then pitched: > 0 lifts the heel, < 0 the toes."""
        zero = np.zeros(self.frames)
        flat = np.stack([x + zero, self.ankle_height + lift + zero, z + zero], 1)
        heading, pitch = turn("y", yaw + zero), pitch + zero
        ball = self.rest[10] - self.rest[7]
        ball = np.array([0, -self.ankle_height, ball[2]])
        heel = np.array([0, -self.ankle_height, -_HEEL_BEHIND_ANKLE_M * self.size])
        pivot = np.where(pitch[:, None] > 0, ball, heel)
        rock = turn("x", pitch)
        arm = pivot - (rock @ pivot[..., None])[..., 0]
        self._feet[side] = (flat + (heading @ arm[..., None])[..., 0], heading @ rock, np.maximum(pitch, 0))

    def arm(self, side: int, swing, out, bend, twist=0.0) -> None:
        """By angles from hanging: swing > 0 raises the arm forward, out > 0 sideways; bend > 0 flexes the elbow."""
        zero, sign = np.zeros(self.frames), (1 if side == 0 else -1)
        hang = turn("z", -sign * (np.pi / 2 - out + zero))
        self._local[:, 16 + side] = turn("x", -(swing + zero)) @ hang @ turn("x", twist + zero)
        self._local[:, 18 + side] = turn("y", -sign * (bend + zero))

    def hand_to(self, side: int, target: np.ndarray, share: np.ndarray, elbow: np.ndarray) -> None:
        """The arm turns by `share` 0..1 of the way from its angles to where the wrist is at `target` (N, 3).

        `elbow` (3,) is the direction, in the trunk's frame, to which the elbow points.
        """
        turns, places = self._world()
        pole = (turns[:, 9] @ np.asarray(elbow, dtype=np.float64)[:, None])[..., 0]
        hinge = np.array([0.0, -1.0 if side == 0 else 1.0, 0.0])
        chain = (16 + side, 18 + side, 20 + side)
        upper, lower = self._two_bones(places[:, chain[0]], target, pole, chain, hinge)
        self._turn_towards(chain[0], np.swapaxes(turns[:, 13 + side], 1, 2) @ upper, share)
        self._turn_towards(chain[1], np.swapaxes(upper, 1, 2) @ lower, share)

    def _turn_towards(self, joint: int, goal: np.ndarray, share: np.ndarray) -> None:
        way = matrix_to_axis_angle(torch.from_numpy(np.swapaxes(self._local[:, joint], 1, 2) @ goal))
        part = axis_angle_to_matrix(way * torch.from_numpy(share)[:, None]).numpy()
        self._local[:, joint] = self._local[:, joint] @ part

    def jitter(self, rng: np.random.Generator, amount: float = 0.012) -> None:
        """Slow small movements that no living body is without: `amount` radians in trunk, neck and arms."""
        for joint in (3, 6, 9, 12, 15, 16, 17, 18, 19, 20, 21):
            wobble = np.stack([slow_noise(rng, self.frames, self.fps) for _ in range(3)], 1) * amount
            self._local[:, joint] = self._local[:, joint] @ axis_angle_to_matrix(torch.from_numpy(wobble)).numpy()

    def sink(self) -> None:
        """Lowers the pelvis where a leg would not reach its foot, smoothly in time. Call after pelvis and feet."""
        _, places = self._world()
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

    def motion(self) -> WorldMotion:
        """Solves the legs and gives SMPL's parameters."""
        turns, places = self._world()
        for side, foot in enumerate(self._feet):
            if foot is None:
                raise ValueError("both feet must be set before motion()")
            ankle, heading, toes = foot
            ahead = heading @ np.array([0.0, 0.0, 1.0]) + turns[:, 0] @ np.array([0.0, 0.0, 1.0])
            upper, lower = self._two_bones(
                places[:, 1 + side], ankle, ahead, (1 + side, 4 + side, 7 + side), np.array([1.0, 0, 0])
            )
            self._local[:, 1 + side] = np.swapaxes(turns[:, 0], 1, 2) @ upper
            self._local[:, 4 + side] = np.swapaxes(upper, 1, 2) @ lower
            self._local[:, 7 + side] = np.swapaxes(lower, 1, 2) @ heading
            self._local[:, 10 + side] = turn("x", -toes)
        pose = matrix_to_axis_angle(torch.from_numpy(self._local)).numpy().astype(np.float32)
        return WorldMotion(
            body=self.body,
            global_orient=pose[:, 0],
            body_pose=pose[:, 1:],
            transl=(self._pelvis - self.rest[0]).astype(np.float32),
            fps=self.fps,
        )

    def _world(self) -> tuple[np.ndarray, np.ndarray]:
        turns, places = np.empty((self.frames, 24, 3, 3)), np.empty((self.frames, 24, 3))
        turns[:, 0], places[:, 0] = self._local[:, 0], self._pelvis
        for j in range(1, 24):
            above = SMPL_PARENTS[j]
            turns[:, j] = turns[:, above] @ self._local[:, j]
            places[:, j] = places[:, above] + turns[:, above] @ (self.rest[j] - self.rest[above])
        return turns, places

    def _two_bones(self, root, target, pole, chain: tuple[int, int, int], hinge: np.ndarray):
        """World rotations of two bones that bring the chain's end to `target`, the middle joint pushed along `pole`."""
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
        return _aim(upper, normal, first, hinge), _aim(lower, normal, second, hinge)


def slow_noise(rng: np.random.Generator, frames: int, fps: float) -> np.ndarray:
    """(frames,) of zero mean and about unit amplitude, with nothing faster than 1.2 Hz."""
    t = np.arange(frames) / fps
    return sum(
        weight * np.sin(2 * np.pi * (rate * t + rng.uniform()))
        for rate, weight in ((rng.uniform(0.2, 0.5), 0.7), (rng.uniform(0.6, 1.2), 0.3))
    )


def _aim(bone: np.ndarray, normal: np.ndarray, rest_bone: np.ndarray, rest_normal: np.ndarray) -> np.ndarray:
    """(N, 3, 3): takes the rest bone along `bone`, and its hinge as near to `normal` as may be."""
    return _frames(bone, normal) @ _frames(rest_bone[None], rest_normal[None])[0].T


def _frames(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    x = x / np.linalg.norm(x, axis=1, keepdims=True)
    y = y - (y * x).sum(1, keepdims=True) * x
    y = y / np.linalg.norm(y, axis=1, keepdims=True)
    return np.stack([x, y, np.cross(x, y)], -1)

"""Biovision Hierarchy (BVH) files, the common format of free motion capture."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from humove.errors import UserError
from humove.motion.rotations import axis_angle_to_matrix

_AXES = {"X": 0, "Y": 1, "Z": 2}
# Metres per unit in common files: metres, centimetres, millimetres, inches, and CMU's unit (1/0.45 inches).
_UNITS_M = (1.0, 0.01, 0.001, 0.0254, 0.0254 / 0.45)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Bvh:
    """A skeleton of J joints and its motion over N frames, in the file's own units and axes."""

    names: tuple[str, ...]
    parents: tuple[int, ...]
    """-1 for the root; a parent comes before its children."""
    offsets: np.ndarray
    """(J, 3): each joint's rest position in its parent's frame."""
    rotations: np.ndarray
    """(N, J, 3, 3): relative to the parent."""
    translations: np.ndarray
    """(N, J, 3): the position channels; for a joint without any, its offset on every frame."""
    fps: float

    def compute_world_transforms(self) -> tuple[np.ndarray, np.ndarray]:
        """Compute world rotations (N, J, 3, 3) and positions (N, J, 3) in the file's units by forward kinematics."""
        turns, places = np.empty_like(self.rotations), np.empty_like(self.translations)
        for j, parent in enumerate(self.parents):
            if parent < 0:
                turns[:, j], places[:, j] = self.rotations[:, j], self.translations[:, j]
            else:
                turns[:, j] = turns[:, parent] @ self.rotations[:, j]
                places[:, j] = places[:, parent] + (turns[:, parent] @ self.translations[:, j, :, None])[..., 0]
        return turns, places

    def compute_rest_positions(self) -> np.ndarray:
        """Compute (J, 3) joint positions with zero rotations and the root at the origin."""
        places = np.zeros((len(self.names), 3))
        for j, parent in enumerate(self.parents):
            if parent >= 0:
                places[j] = places[parent] + self.offsets[j]
        return places

    def guess_unit(self) -> float:
        """Return metres per unit: the common unit whose skeleton height is closest to 1.6 m (joints only)."""
        places = self.compute_rest_positions()
        height = np.ptp(places[:, 1])
        if height <= 0:
            raise ValueError("the skeleton has no height: its unit cannot be guessed")
        return min(_UNITS_M, key=lambda unit: abs(np.log(height * unit / 1.6)))


def read_bvh(path: str | Path) -> Bvh:
    """Read a BVH file; channels in any order, position channels on any joint. UserError if it is invalid."""
    try:
        text = Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError as error:
        raise UserError(f"{path}: cannot be read ({error.strerror}); give a BVH file") from error
    try:
        return _parse_words(text.replace("{", " { ").replace("}", " } ").split())
    except (ValueError, IndexError, KeyError, TypeError) as error:  # TypeError: channels of an end site
        raise UserError(f"{path}: not a complete BVH file ({error}); export it again") from error


def _parse_words(words: list[str]) -> Bvh:
    if not words or words[0] != "HIERARCHY":
        raise ValueError("does not begin with HIERARCHY")
    names: list[str] = []
    parents: list[int] = []
    offsets: list[list[float]] = []
    channels: list[list[str]] = []
    stack: list[int | None] = []
    pending: int | None = None  # None in an end site: its offset belongs to no joint
    at = 1
    while words[at] != "MOTION":
        word = words[at]
        if word in ("ROOT", "JOINT"):
            above = [j for j in stack if j is not None]
            if word == "ROOT" and names:
                raise ValueError("more than one ROOT")
            names.append(words[at + 1])
            parents.append(above[-1] if above else -1)
            offsets.append([0.0] * 3)
            channels.append([])
            pending = len(names) - 1
            at += 2
        elif word == "End":
            pending = None
            at += 2
        elif word == "{":
            stack.append(pending)
            at += 1
        elif word == "}":
            stack.pop()
            at += 1
        elif word == "OFFSET":
            if stack[-1] is not None:
                offsets[stack[-1]] = [float(x) for x in words[at + 1 : at + 4]]
            at += 4
        elif word == "CHANNELS":
            count = int(words[at + 1])
            channels[stack[-1]] = words[at + 2 : at + 2 + count]  # type: ignore[index]
            at += 2 + count
        else:
            raise ValueError(f"unexpected word {word!r}")
    if words[at + 1] != "Frames:" or words[at + 3 : at + 5] != ["Frame", "Time:"]:
        raise ValueError("no Frames and Frame Time after MOTION")
    frames, frame_time = int(words[at + 2]), float(words[at + 5])
    if frames < 1 or frame_time <= 0:
        raise ValueError(f"{frames} frames of {frame_time} s")
    width = sum(map(len, channels))
    numbers = words[at + 6 :]
    if len(numbers) < frames * width:
        raise ValueError(f"{len(numbers)} numbers where {frames} frames of {width} channels are announced")
    table = np.array(numbers[: frames * width], dtype=np.float64).reshape(frames, width)
    rotations, translations = _compute_poses(table, channels, np.array(offsets))
    return Bvh(
        names=tuple(names),
        parents=tuple(parents),
        offsets=np.array(offsets),
        rotations=rotations,
        translations=translations,
        fps=1.0 / frame_time,
    )


def _compute_poses(table: np.ndarray, channels: list[list[str]], offsets: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    count, joints = len(table), len(channels)
    rotations = np.tile(np.eye(3), (count, joints, 1, 1))
    translations = np.tile(offsets, (count, 1, 1))
    column = 0
    for joint, kinds in enumerate(channels):
        for kind in kinds:
            axis = _AXES[kind[0].upper()]
            values = table[:, column]
            column += 1
            if kind[1:].lower() == "position":
                translations[:, joint, axis] = values
            elif kind[1:].lower() == "rotation":
                turn = np.zeros((count, 3))
                turn[:, axis] = np.radians(values)
                # Channels are applied in the order written: the first is outermost.
                rotations[:, joint] = rotations[:, joint] @ axis_angle_to_matrix(torch.from_numpy(turn)).numpy()
            else:
                raise ValueError(f"unknown channel {kind!r}")
    return rotations, translations

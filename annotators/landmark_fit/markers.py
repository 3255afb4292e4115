"""Positions of the landmarks on the body.

A landmark is not a joint: MediaPipe's hips lie wider than SMPL's, and its nose is no joint. So each landmark is a
point fixed to one bone of the body, and the fit compares the same points. The offsets were estimated on images of the
proxy body (scripts/bake_landmark_fit.py), left and right averaged, for the body at scale 1.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from humove.motion.skeletons import MEDIAPIPE_33, SMPL_JOINTS

TABLE = Path(__file__).with_name("markers.yaml")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Markers:
    """33 points, each fixed to the body: point = joints[place] + rotation[frame] @ offset."""

    place: np.ndarray
    """(33,) the joint that the offset starts from."""
    frame: np.ndarray
    """(33,) the joint whose global rotation is applied to the offset."""
    offsets: np.ndarray
    """(33, 3) m."""
    index: dict[str, int]
    """Row of each landmark by its name."""

    def place_at_rest(self, rest_joints: np.ndarray) -> np.ndarray:
        """Place the landmarks (33, 3) on the body in T-pose."""
        return rest_joints[self.place] + self.offsets

    def scale_by(self, scale: float) -> "Markers":
        """Scale the landmarks to a body `scale` times the size."""
        return Markers(place=self.place, frame=self.frame, offsets=self.offsets * scale, index=self.index)


def load_markers(table: Path = TABLE) -> Markers:
    """Read the table: one row per landmark of the left side and the middle; the right side is its mirror image in x."""
    rows = yaml.safe_load(table.read_text(encoding="utf-8"))
    place, frame, offsets = [], [], []
    for name in MEDIAPIPE_33:
        right = "right" in name
        row = rows[name.replace("right", "left")]
        for key, into in (("place", place), ("frame", frame)):
            joint = row[key]
            into.append(SMPL_JOINTS.index(joint.replace("left", "right") if right else joint))
        x, y, z = row["offset"]
        offsets.append((-x if right else x, y, z))
    index = {name: i for i, name in enumerate(MEDIAPIPE_33)}
    return Markers(
        place=np.array(place), frame=np.array(frame), offsets=np.array(offsets, dtype=np.float64), index=index
    )

"""Where the landmarks sit on the body.

A landmark is not a joint: MediaPipe's hips lie wider than SMPL's, its nose is no joint at all. So each landmark is a
point fixed to one bone of the body, and the fit compares like with like. The offsets were estimated on pictures
of the proxy body (scripts/bake_landmark_fit.py), left and right averaged, for the body at scale 1.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import yaml

from humove.skeletons import MEDIAPIPE_33, SMPL_JOINTS

TABLE = Path(__file__).with_name("markers.yaml")


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Markers:
    """33 points, each fixed to the body: point = joints[place] + rotation[frame] @ offset."""

    place: np.ndarray
    """(33,) the joint that the offset starts from."""
    frame: np.ndarray
    """(33,) the joint whose global rotation turns the offset."""
    offsets: np.ndarray
    """(33, 3) m."""
    index: dict[str, int]
    """Row of each landmark by its name."""

    def at_rest(self, rest_joints: np.ndarray) -> np.ndarray:
        """The landmarks (33, 3) of the body in T-pose."""
        return rest_joints[self.place] + self.offsets

    def scaled(self, scale: float) -> "Markers":
        """The same landmarks on a body `scale` times the size."""
        return Markers(place=self.place, frame=self.frame, offsets=self.offsets * scale, index=self.index)


def load_markers(table: Path = TABLE) -> Markers:
    """Reads the table: one row a landmark of the left side and the middle; the right side is its mirror image in x."""
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

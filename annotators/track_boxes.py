"""A person's box on every frame of a clip, from a track with boxes on some."""

import numpy as np

from humove.types import PersonTrack


def interpolate_boxes(track: PersonTrack, count: int) -> np.ndarray:
    """Interpolate the track's boxes linearly to every frame, constant beyond its ends: (count, 4) px."""
    every = np.arange(count)
    return np.stack([np.interp(every, track.frames, track.boxes_xyxy[:, k]) for k in range(4)], axis=1)

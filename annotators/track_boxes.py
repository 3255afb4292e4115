"""A person's box on every frame of a clip, from a track that has it on some."""

import numpy as np

from humove.types import PersonTrack


def boxes_on_every_frame(track: PersonTrack, count: int) -> np.ndarray:
    """(count, 4) px: the track's boxes, straight between its frames and constant beyond them."""
    every = np.arange(count)
    return np.stack([np.interp(every, track.frames, track.boxes_xyxy[:, k]) for k in range(4)], axis=1)

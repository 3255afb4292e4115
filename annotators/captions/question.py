"""What a model is shown and asked of one clip: a few of its frames and a prompt."""

from collections.abc import Iterator

import cv2
import numpy as np

from annotators.captions import phrases
from annotators.captions.config import CaptionConfig
from annotators.captions.inputs import CaptionInput
from annotators.captions.kinematics import facts
from annotators.captions.request import RequestConfig
from annotators.categories.taxonomy import taxonomy
from humove.video.frames import Frames


def pictures(clip: CaptionInput, config: RequestConfig) -> list[np.ndarray]:
    """The pictures that a model is shown of a clip: (h, w, 3) uint8 RGB each."""
    return [_shrunk(image, config.max_side) for image in spread(clip.frames, config.frames, clip.crop_xyxy)]


def spread(
    frames: Frames, count: int, crop_xyxy: tuple[float, float, float, float] | None = None
) -> Iterator[np.ndarray]:
    """Up to `count` of a clip's frames, those in the middle of equal parts of it; of each what is stored: the crop."""
    count = min(count, len(frames))
    x0, y0, x1, y1 = (max(0, round(v)) for v in crop_xyxy or (0, 0, frames.width, frames.height))
    for row in ((np.arange(count) + 0.5) * len(frames) / count).astype(int):
        yield np.ascontiguousarray(frames.rgb(int(row))[y0:y1, x0:x1])


def _shrunk(image: np.ndarray, max_side: int) -> np.ndarray:
    shrink = min(1.0, max_side / max(image.shape[:2]))
    if shrink == 1.0:
        return image
    height, width = (max(1, round(side * shrink)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def prompt(clip: CaptionInput, config: RequestConfig, shown: int) -> str:
    """The text that goes with `shown` pictures."""
    seconds = len(clip.frames) / float(clip.fps)
    parts = [
        f"These {shown} pictures are frames of one video clip of {seconds:.1f} seconds, in order of time and evenly "
        "spaced. One person is its subject. Describe only what can be seen. Answer with one JSON object and nothing "
        "else, with these texts in English:",
        '"appearance": how the person looks and what they wear;',
        '"background": the place, what surrounds the person, the light, and how the camera moves;',
        '"action": what the person does from beginning to end, in order, with the parts of the body that move, left '
        "and right being the person's own;",
        f'"full": one paragraph of at most {config.max_words} words that says all three and can be read alone'
        + (";" if config.category else "."),
    ]
    if config.category:
        parts.append(f'"category": the one of these that fits best: {", ".join(taxonomy())}.')
    parts.append("Name nobody and guess nobody's identity. Mention neither frames nor pictures nor this request.")
    if config.facts:
        parts.append(
            f"Measured from the person's motion: {measured(clip)} Trust this for sides, order and counts; the pictures "
            "say what it is for."
        )
    if config.instruction:
        parts.append(config.instruction)
    return "\n".join(parts)


def measured(clip: CaptionInput) -> str:
    """The kinematic facts of a clip in a sentence, as the built-in captions tell them."""
    did = facts(clip.motion, clip.pose2d, float(clip.fps))
    return phrases.action(did, CaptionConfig())

"""The question to a model about one clip: some of its frames and a prompt."""

from collections.abc import Iterator

import cv2
import numpy as np

from annotators.captions import phrases
from annotators.captions.config import CaptionConfig
from annotators.captions.inputs import CaptionInput
from annotators.captions.models.request import RequestConfig
from annotators.captions.movement.kinematics import measure_facts
from annotators.categories.taxonomy import load_taxonomy
from humove.video.frames import Frames


def prepare_frames(clip: CaptionInput, config: RequestConfig) -> list[np.ndarray]:
    """Prepare the frames of a clip that a model gets: (h, w, 3) uint8 RGB each."""
    return [_shrink_image(image, config.max_side) for image in sample_crops(clip.frames, config.frames, clip.crop_xyxy)]


def sample_crops(
    frames: Frames, count: int, crop_xyxy: tuple[float, float, float, float] | None = None
) -> Iterator[np.ndarray]:
    """Yield the crops of up to `count` frames of a clip, those in the middle of equal parts of it."""
    count = min(count, len(frames))
    x0, y0, x1, y1 = (max(0, round(v)) for v in crop_xyxy or (0, 0, frames.width, frames.height))
    for row in ((np.arange(count) + 0.5) * len(frames) / count).astype(int):
        yield np.ascontiguousarray(frames.read_rgb(int(row))[y0:y1, x0:x1])


def _shrink_image(image: np.ndarray, max_side: int) -> np.ndarray:
    scale = min(1.0, max_side / max(image.shape[:2]))
    if scale == 1.0:
        return image
    height, width = (max(1, round(side * scale)) for side in image.shape[:2])
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)


def write_prompt(clip: CaptionInput, config: RequestConfig, shown: int) -> str:
    """Write the prompt that goes with `shown` frames."""
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
        parts.append(f'"category": the one of these that fits best: {", ".join(load_taxonomy())}.')
    parts.append("Name nobody and guess nobody's identity. Mention neither frames nor pictures nor this request.")
    if config.facts:
        parts.append(
            f"Measured from the person's motion: {describe_movement(clip)} Trust this for sides, order and counts; the "
            "pictures say what it is for."
        )
    if config.instruction:
        parts.append(config.instruction)
    return "\n".join(parts)


def describe_movement(clip: CaptionInput) -> str:
    """Describe the kinematic facts of a clip in a sentence, as the built-in captions do."""
    facts = measure_facts(clip.motion, clip.pose2d, float(clip.fps))
    return phrases.write_action(facts, CaptionConfig())

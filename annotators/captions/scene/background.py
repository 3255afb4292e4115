"""The background: its main colours, the light, and clear evidence of the outdoors.

A place is never guessed. "Outdoors" requires much textured green (grass, leaves), or blue sky above textured green; a
smooth blue wall or green floor does not count. Nothing is called indoors: no measure of colour or light proves it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from annotators.captions.inputs import CaptionInput
from annotators.captions.movement.keypoints import FramePoints
from annotators.captions.scene.camera_motion import CameraMotion
from annotators.captions.scene.camera_motion import measure_camera_motion as measure_camera
from annotators.captions.scene.colours import group_shares, to_lab

WORK_WIDTH = 160
MAIN_SHARE = 0.22
"""Least share of the background of a colour that is named."""
ROUGH = 5.0
"""Least mean absolute difference in lightness to the neighbouring pixels of a textured patch, as foliage."""
GREEN_ALONE, GREEN_BELOW, SKY_ABOVE = 0.22, 0.1, 0.3
"""Shares that prove the outdoors: textured green everywhere; or textured green in all, with sky in the upper third."""
DIM, BRIGHT = 28.0, 72.0
"""Median lightness (Lab L) of the background: dim below the first, bright above the second."""
MIN_PIXELS = 100
"""Frames with fewer background pixels (at WORK_WIDTH) are ignored."""
NOT_MEASURED = "The background is not described."
"""The text where no frame shows the whole trunk, as in a close-up: person and background cannot be separated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BackgroundFacts:
    """Main colours by falling share; `outdoors` is True or None (unclear); `light` "dim", "bright" or None.

    `visible`: whether any frame had enough background to measure; None where no frame was examined.
    """

    visible: bool | None = None
    colours: tuple[str, ...] = ()
    outdoors: bool | None = None
    light: str | None = None
    camera: CameraMotion = CameraMotion()
    green: float = 0.0
    sky: float = 0.0


def _measure_frame(
    image: np.ndarray, box: tuple[float, float, float, float] | None
) -> tuple[np.ndarray, dict[str, float]]:
    """Return the background's pixels (M, 3) of one frame at WORK_WIDTH, and its green, sky and lightness."""
    scale = WORK_WIDTH / image.shape[1]
    skip = max(1, image.shape[1] // (4 * WORK_WIDTH))
    small = cv2.resize(
        image[::skip, ::skip], (WORK_WIDTH, max(16, round(image.shape[0] * scale))), interpolation=cv2.INTER_AREA
    )
    outside = np.ones(small.shape[:2], bool)
    if box is not None:
        x0, y0, x1, y1 = (max(0, round(v * scale)) for v in box)
        outside[y0:y1, x0:x1] = False
    colour = to_lab(small)
    lightness = colour[..., 0]
    rough = cv2.blur(np.abs(cv2.Laplacian(lightness, cv2.CV_32F)), (9, 9)) / 2
    hue = np.degrees(np.arctan2(colour[..., 2], colour[..., 1]))
    chroma = np.hypot(colour[..., 1], colour[..., 2])
    green = (hue > 95) & (hue < 150) & (chroma > 12) & (lightness > 12) & (rough > ROUGH)
    blue = (hue < -70) & (hue > -125) & (chroma > 8) & (lightness > 55) & (rough < ROUGH)
    upper = np.zeros_like(outside)
    upper[: small.shape[0] // 3] = True
    upper &= outside
    measures = {
        "green": float(green[outside].mean()) if outside.any() else 0.0,
        "sky": float(blue[upper].mean()) if upper.any() else 0.0,
        "lightness": float(np.median(lightness[outside])) if outside.any() else 50.0,
    }
    return small[outside], measures


def measure_background(clip: CaptionInput, rows: list[int], camera_pairs: int, min_score: float) -> BackgroundFacts:
    """Measure the given rows' frames outside the person's box."""
    camera = measure_camera(clip, camera_pairs, min_score)
    frames = [
        _measure_frame(clip.frames.read_rgb(row), FramePoints(clip.pose2d, row, min_score).compute_box(0.08))
        for row in rows
    ]
    frames = [frame for frame in frames if len(frame[0]) >= MIN_PIXELS]
    if not frames:
        return BackgroundFacts(visible=False if rows else None, camera=camera)
    green, sky, lightness = (float(np.median([m[key] for _, m in frames])) for key in ("green", "sky", "lightness"))
    outdoors = green >= GREEN_ALONE or (green >= GREEN_BELOW and sky >= SKY_ABOVE)
    return BackgroundFacts(
        visible=True,
        colours=_find_main_colours(np.concatenate([pixels for pixels, _ in frames])),
        outdoors=True if outdoors else None,
        light="dim" if lightness < DIM else "bright" if lightness > BRIGHT else None,
        camera=camera,
        green=green,
        sky=sky,
    )


def _find_main_colours(pixels: np.ndarray) -> tuple[str, ...]:
    """Return up to three colour words, shades of one hue grouped."""
    return tuple(word for word, share in group_shares(pixels)[:3] if share >= MAIN_SHARE)


def phrase_background(facts: BackgroundFacts) -> str:
    """Describe the background, as in "The setting is outdoors, with a mostly green background."; never empty."""
    colours = facts.colours
    listed = " and ".join((", ".join(colours[:-1]), colours[-1]) if len(colours) > 1 else colours)
    light = {"dim": "dimly lit", "bright": "bright", None: ""}[facts.light]
    if facts.outdoors:
        place = f"the setting is outdoors, with a mostly {listed} background" if listed else "the setting is outdoors"
    elif listed:
        place = f"the background is {f'{light} and ' if light else ''}mostly {listed}"
    else:
        place = f"the surroundings are {light}" if light else ""
    text = "; ".join(part for part in (place, phrase_camera(facts.camera)) if part)
    if text:
        return f"{text[0].upper()}{text[1:]}."
    if facts.visible is None:
        return NOT_MEASURED
    return "The background has many colours." if facts.visible else "The person fills the frame."


def phrase_camera(camera: CameraMotion) -> str:
    """Describe the camera: "the camera stays still", "the camera moves to the right", or ""."""
    if camera.moving is None:
        return ""
    if not camera.moving:
        return "the camera stays still"
    way = {"left": " to the left", "right": " to the right", "up": " upwards", "down": " downwards", None: ""}
    return f"the camera moves{way[camera.direction]}"

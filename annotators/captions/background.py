"""What lies around the person: its main colours, the light, and outdoor evidence where it is plain.

A place is never guessed. "Outdoors" takes textured green (grass, leaves) in quantity, or blue sky above textured
green; a blue wall or a green floor, both smooth, don't do. Nothing is ever called indoors: no single measure of colour
or light proves it.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from annotators.captions.camera_motion import CameraMotion
from annotators.captions.camera_motion import measure as measure_camera
from annotators.captions.colours import kin_shares, lab
from annotators.captions.inputs import CaptionInput
from annotators.captions.keypoints import FramePoints

WORK_WIDTH = 160
MAIN_SHARE = 0.22
"""A colour is named when it covers at least this share of the background."""
ROUGH = 5.0
"""Mean absolute difference in lightness to the neighbouring pixels that makes a patch textured, as foliage is."""
GREEN_ALONE, GREEN_BELOW, SKY_ABOVE = 0.22, 0.1, 0.3
"""Shares that prove the outdoors: textured green everywhere; or textured green in all, with sky in the upper third."""
DIM, BRIGHT = 28.0, 72.0
"""Median lightness (Lab L) of the background: dim light below the one, bright surroundings over the other."""
MIN_PIXELS = 100
"""A frame with fewer background pixels (at WORK_WIDTH) says nothing of the background."""
NOT_MEASURED = "The background is not described."
"""Said where no frame shows the whole trunk, as in a close-up: then the person can't be told from the background."""


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


def _look(image: np.ndarray, box: tuple[float, float, float, float] | None) -> tuple[np.ndarray, dict[str, float]]:
    """The background's pixels (M, 3) of one picture at WORK_WIDTH, and its green, sky and lightness."""
    scale = WORK_WIDTH / image.shape[1]
    skip = max(1, image.shape[1] // (4 * WORK_WIDTH))
    small = cv2.resize(
        image[::skip, ::skip], (WORK_WIDTH, max(16, round(image.shape[0] * scale))), interpolation=cv2.INTER_AREA
    )
    outside = np.ones(small.shape[:2], bool)
    if box is not None:
        x0, y0, x1, y1 = (max(0, round(v * scale)) for v in box)
        outside[y0:y1, x0:x1] = False
    colour = lab(small)
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


def measure(clip: CaptionInput, rows: list[int], camera_pairs: int, min_score: float) -> BackgroundFacts:
    """Looks at the given rows' pictures outside the person's box."""
    camera = measure_camera(clip, camera_pairs, min_score)
    looks = [_look(clip.frames.rgb(row), FramePoints(clip.pose2d, row, min_score).box(0.08)) for row in rows]
    looks = [look for look in looks if len(look[0]) >= MIN_PIXELS]
    if not looks:
        return BackgroundFacts(visible=False if rows else None, camera=camera)
    green, sky, lightness = (float(np.median([m[key] for _, m in looks])) for key in ("green", "sky", "lightness"))
    outdoors = green >= GREEN_ALONE or (green >= GREEN_BELOW and sky >= SKY_ABOVE)
    return BackgroundFacts(
        visible=True,
        colours=_main(np.concatenate([pixels for pixels, _ in looks])),
        outdoors=True if outdoors else None,
        light="dim" if lightness < DIM else "bright" if lightness > BRIGHT else None,
        camera=camera,
        green=green,
        sky=sky,
    )


def _main(pixels: np.ndarray) -> tuple[str, ...]:
    """Up to three words, shades of one hue taken together."""
    return tuple(word for word, share in kin_shares(pixels)[:3] if share >= MAIN_SHARE)


def phrase(facts: BackgroundFacts) -> str:
    """For instance "The setting is outdoors, with a mostly green background; the camera stays still."; never empty."""
    colours = facts.colours
    listed = " and ".join((", ".join(colours[:-1]), colours[-1]) if len(colours) > 1 else colours)
    light = {"dim": "dimly lit", "bright": "bright", None: ""}[facts.light]
    if facts.outdoors:
        place = f"the setting is outdoors, with a mostly {listed} background" if listed else "the setting is outdoors"
    elif listed:
        place = f"the background is {f'{light} and ' if light else ''}mostly {listed}"
    else:
        place = f"the surroundings are {light}" if light else ""
    text = "; ".join(part for part in (place, camera_phrase(facts.camera)) if part)
    if text:
        return f"{text[0].upper()}{text[1:]}."
    if facts.visible is None:
        return NOT_MEASURED
    return "The background has many colours." if facts.visible else "The person fills the frame."


def camera_phrase(camera: CameraMotion) -> str:
    """For instance "the camera stays still", "the camera moves to the right", or nothing."""
    if camera.moving is None:
        return ""
    if not camera.moving:
        return "the camera stays still"
    way = {"left": " to the left", "right": " to the right", "up": " upwards", "down": " downwards", None: ""}
    return f"the camera moves{way[camera.direction]}"

"""The person's clothing, measured from pixels: colours of trunk and legs, bare limbs by the colour of the face.

Gender, age and other traits of the person are never derived.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from annotators.captions.inputs import CaptionInput
from annotators.captions.movement.keypoints import FramePoints
from annotators.captions.scene.colours import are_kin, name_cloth, to_lab

SKIN_CHROMA = 9.0
SKIN_HUE = 15.0
"""A limb is bare when its median colour is within SKIN_CHROMA of the face's in Lab's a, b plane, or within SKIN_HUE
degrees of hue at half to twice its chroma (the light on a face differs from that on an arm) ..."""
SKIN_LIGHTNESS = 28.0
"""... and within this many units of lightness."""
CLOTH_FROM_SKIN = 14.0
"""Cloth nearer to the face's colour than this (full Lab distance) is indistinguishable from skin and not described."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppearanceFacts:
    """Colour words, and whether parts are bare; None where not measured."""

    top: str | None = None
    upper_legs: str | None = None
    lower_legs: str | None = None
    bare_torso: bool | None = None
    bare_forearms: bool | None = None
    bare_lower_legs: bool | None = None
    frames: int = 0


def _cut_polygon(image: np.ndarray, points: list[np.ndarray], shrink: float) -> np.ndarray:
    """Return the pixels (M, 3) inside the hull of the points, scaled about their mean by `shrink`."""
    corners = np.stack(points)
    centre = corners.mean(0)
    hull = cv2.convexHull((centre + (corners - centre) * shrink).astype(np.float32)).astype(np.int32)
    x, y, w, h = cv2.boundingRect(hull)
    x0, y0 = max(x, 0), max(y, 0)
    x1, y1 = min(x + w, image.shape[1]), min(y + h, image.shape[0])
    if x1 - x0 < 2 or y1 - y0 < 2:
        return np.zeros((0, 3), np.uint8)
    mask = np.zeros((y1 - y0, x1 - x0), np.uint8)
    cv2.fillConvexPoly(mask, hull - np.array([x0, y0], np.int32), 1)
    return image[y0:y1, x0:x1][mask > 0]


def _cut_limb(
    image: np.ndarray, points: FramePoints, a: str, b: str, span: tuple[float, float], width: float
) -> np.ndarray:
    """Return the pixels of a strip along the bone from a to b: `span` and `width` are shares of its length."""
    ends = points.get_all(a, b)
    if ends is None:
        return np.zeros((0, 3), np.uint8)
    start, along = ends[0], ends[1] - ends[0]
    across = np.array([-along[1], along[0]]) * width / 2
    if np.linalg.norm(along) < 8:
        return np.zeros((0, 3), np.uint8)
    first, last = start + span[0] * along, start + span[1] * along
    return _cut_polygon(image, [first - across, first + across, last + across, last - across], 1.0)


def _cut_face(image: np.ndarray, points: FramePoints) -> np.ndarray:
    corners = points.get_all("left_eye", "right_eye", "mouth_left", "mouth_right", "nose")
    return np.zeros((0, 3), np.uint8) if corners is None else _cut_polygon(image, corners, 1.1)


def _cut_parts(image: np.ndarray, points: FramePoints) -> dict[str, np.ndarray]:
    trunk = points.get_all("left_shoulder", "right_shoulder", "right_hip", "left_hip")
    parts = {
        "face": _cut_face(image, points),
        "torso": np.zeros((0, 3), np.uint8) if trunk is None else _cut_polygon(image, trunk, 0.7),
    }
    bones = {
        "upper_arms": ("shoulder", "elbow", (0.3, 0.8), 0.2),
        "forearms": ("elbow", "wrist", (0.3, 0.85), 0.15),
        "upper_legs": ("hip", "knee", (0.25, 0.75), 0.2),
        "lower_legs": ("knee", "ankle", (0.3, 0.8), 0.14),
    }
    for part, (a, b, span, width) in bones.items():
        sides = [_cut_limb(image, points, f"{s}_{a}", f"{s}_{b}", span, width) for s in ("left", "right")]
        parts[part] = np.concatenate(sides)
    return parts


def _thin_pixels(pixels: np.ndarray, most: int = 400) -> np.ndarray:
    """Return about `most` pixels at most, evenly spread, so that every frame has the same weight."""
    return pixels[:: max(1, len(pixels) // most)]


def measure_appearance(clip: CaptionInput, rows: list[int], min_score: float) -> AppearanceFacts:
    """Measure the given rows' frames. A part is described if at least a third of them, and at least two, show it."""
    visible: dict[str, list[np.ndarray]] = {}
    for row in rows:
        image = clip.frames.read_rgb(row)
        for part, pixels in _cut_parts(image, FramePoints(clip.pose2d, row, min_score)).items():
            if len(pixels) >= 12:
                visible.setdefault(part, []).append(_thin_pixels(pixels))
    need = max(min(2, len(rows)), len(rows) // 3)
    pixels = {part: np.concatenate(found) for part, found in visible.items() if len(found) >= need}
    medians = {part: np.median(to_lab(found), axis=0) for part, found in pixels.items()}
    bare = _find_bare_parts(medians)
    words = {part: name_cloth(found) for part, found in pixels.items()}
    skin_like = {part for part in ("torso", "upper_legs", "lower_legs") if _is_ambiguous(part, medians)}
    return AppearanceFacts(
        top=None if "torso" in skin_like else words.get("torso"),
        upper_legs=None if "upper_legs" in skin_like else words.get("upper_legs"),
        lower_legs=None if bare.get("lower_legs") or "lower_legs" in skin_like else words.get("lower_legs"),
        bare_torso=bare.get("torso"),
        bare_forearms=bare.get("forearms"),
        bare_lower_legs=bare.get("lower_legs"),
        frames=len(rows),
    )


def _is_near(a: np.ndarray, b: np.ndarray) -> bool:
    if abs(a[0] - b[0]) > SKIN_LIGHTNESS:
        return False
    chroma_a, chroma_b = np.hypot(*a[1:]), np.hypot(*b[1:])
    hue = abs(np.degrees(np.arctan2(a[2], a[1]) - np.arctan2(b[2], b[1])))
    same_hue = hue <= SKIN_HUE and 0.5 <= chroma_a / max(chroma_b, 1e-6) <= 2
    return bool(np.hypot(*(a[1:] - b[1:])) <= SKIN_CHROMA or same_hue)


def _is_skin(colour: np.ndarray) -> bool:
    """Return whether a Lab colour can be human skin of any tone: warm, neither black nor white."""
    return bool(12 <= colour[0] <= 92 and 4 <= colour[1] <= 32 and 2 <= colour[2] <= 48)


def _is_ambiguous(part: str, medians: dict[str, np.ndarray]) -> bool:
    """Return whether the part's colour could be skin: near that of the face, or of forearms that could be skin."""
    if part not in medians:
        return True
    if not _is_skin(medians[part]):
        return False
    others = [medians[p] for p in ("face", "forearms") if p in medians and _is_skin(medians[p])]
    return not others or any(np.linalg.norm(medians[part] - other) < CLOTH_FROM_SKIN for other in others)


def _find_bare_parts(medians: dict[str, np.ndarray]) -> dict[str, bool]:
    """Return by trunk, forearms and lower legs: True for skin, False for cloth; absent if unclear."""
    face = medians.get("face")
    if face is None or not _is_skin(face):
        return {}
    near = {part: _is_near(colour, face) and _is_skin(colour) for part, colour in medians.items()}
    bare: dict[str, bool] = {}
    torso = near.get("torso", False)
    for limb, cloth in (("forearms", "torso"), ("lower_legs", "upper_legs")):
        if limb not in near or cloth not in medians:
            continue
        if not near[limb]:
            bare[limb] = False
        elif np.linalg.norm(medians[limb] - medians[cloth]) >= CLOTH_FROM_SKIN:
            bare[limb] = True  # skin beside cloth of another colour
    if torso and near.get("upper_arms") and near.get("forearms"):
        bare["torso"] = bare["forearms"] = True
    elif "torso" in medians and not torso:
        bare["torso"] = False
    return bare


def phrase_appearance(facts: AppearanceFacts) -> str:
    """Describe the clothing, as in "a person in a dark blue top and light grey trousers, with bare forearms"."""
    worn = []
    if facts.top and not facts.bare_torso:
        worn.append(f"{_choose_article(facts.top)} {facts.top} top")
    if facts.upper_legs:
        same = facts.lower_legs is not None and are_kin(facts.upper_legs, facts.lower_legs)
        if facts.bare_lower_legs:
            worn.append(f"{facts.upper_legs} shorts or a short skirt")
        else:
            worn.append(f"{facts.upper_legs} {'trousers' if same else 'legwear'}")
    bare = []
    if facts.bare_torso:
        bare.append("a bare upper body")
    elif facts.bare_forearms:
        bare.append("bare forearms")
    if facts.bare_lower_legs:
        bare.append("bare lower legs")
    text = "a person" + (f" in {' and '.join(worn)}" if worn else "")
    return text + (f"{',' if worn else ''} with {' and '.join(bare)}" if bare else "")


def _choose_article(word: str) -> str:
    return "an" if word[0] in "aeio" else "a"

"""What the person wears, as far as the pixels tell: colours of trunk and legs, limbs bare as the face.

No word about gender, age or any other trait of the person is ever derived.
"""

from dataclasses import dataclass

import cv2
import numpy as np

from annotators.captions.colours import describe, kin, lab
from annotators.captions.inputs import CaptionInput
from annotators.captions.keypoints import FramePoints

SKIN_CHROMA = 9.0
SKIN_HUE = 15.0
"""A limb is bare when its median colour lies within this distance of the face's in Lab's a, b plane, or so many
degrees of hue from it at half to twice its chroma (the light on a face differs from that on an arm) ..."""
SKIN_LIGHTNESS = 28.0
"""... and within this many units of lightness."""
CLOTH_FROM_SKIN = 14.0
"""Cloth nearer to the face's colour than this (full Lab distance) can't be told from skin: nothing is said."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AppearanceFacts:
    """Colour words, or None where nothing was measured. `bare` says True or False only where it was measured."""

    top: str | None = None
    upper_legs: str | None = None
    lower_legs: str | None = None
    bare_torso: bool | None = None
    bare_forearms: bool | None = None
    bare_lower_legs: bool | None = None
    frames: int = 0


def _polygon(image: np.ndarray, points: list[np.ndarray], shrink: float) -> np.ndarray:
    """Pixels (M, 3) inside the hull of the points, drawn in towards their middle by `shrink`."""
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


def _limb(
    image: np.ndarray, points: FramePoints, a: str, b: str, span: tuple[float, float], width: float
) -> np.ndarray:
    """Pixels of a strip along the bone from a to b, from span[0] to span[1] of it, `width` of its length wide."""
    ends = points.all(a, b)
    if ends is None:
        return np.zeros((0, 3), np.uint8)
    start, along = ends[0], ends[1] - ends[0]
    across = np.array([-along[1], along[0]]) * width / 2
    if np.linalg.norm(along) < 8:
        return np.zeros((0, 3), np.uint8)
    first, last = start + span[0] * along, start + span[1] * along
    return _polygon(image, [first - across, first + across, last + across, last - across], 1.0)


def _face(image: np.ndarray, points: FramePoints) -> np.ndarray:
    corners = points.all("left_eye", "right_eye", "mouth_left", "mouth_right", "nose")
    return np.zeros((0, 3), np.uint8) if corners is None else _polygon(image, corners, 1.1)


def _parts(image: np.ndarray, points: FramePoints) -> dict[str, np.ndarray]:
    trunk = points.all("left_shoulder", "right_shoulder", "right_hip", "left_hip")
    parts = {
        "face": _face(image, points),
        "torso": np.zeros((0, 3), np.uint8) if trunk is None else _polygon(image, trunk, 0.7),
    }
    bones = {
        "upper_arms": ("shoulder", "elbow", (0.3, 0.8), 0.2),
        "forearms": ("elbow", "wrist", (0.3, 0.85), 0.15),
        "upper_legs": ("hip", "knee", (0.25, 0.75), 0.2),
        "lower_legs": ("knee", "ankle", (0.3, 0.8), 0.14),
    }
    for part, (a, b, span, width) in bones.items():
        sides = [_limb(image, points, f"{s}_{a}", f"{s}_{b}", span, width) for s in ("left", "right")]
        parts[part] = np.concatenate(sides)
    return parts


def _thin(pixels: np.ndarray, most: int = 400) -> np.ndarray:
    """At most about `most` pixels, evenly spread: every frame then has the same say."""
    return pixels[:: max(1, len(pixels) // most)]


def measure(clip: CaptionInput, rows: list[int], min_score: float) -> AppearanceFacts:
    """Looks at the given rows' pictures. A part is spoken of when at least a third of them (two at least) show it."""
    seen: dict[str, list[np.ndarray]] = {}
    for row in rows:
        image = clip.frames.rgb(row)
        for part, pixels in _parts(image, FramePoints(clip.pose2d, row, min_score)).items():
            if len(pixels) >= 12:
                seen.setdefault(part, []).append(_thin(pixels))
    need = max(min(2, len(rows)), len(rows) // 3)
    pixels = {part: np.concatenate(found) for part, found in seen.items() if len(found) >= need}
    medians = {part: np.median(lab(found), axis=0) for part, found in pixels.items()}
    bare = _bare(medians)
    words = {part: describe(found) for part, found in pixels.items()}
    skin_like = {part for part in ("torso", "upper_legs", "lower_legs") if _ambiguous(part, medians)}
    return AppearanceFacts(
        top=None if "torso" in skin_like else words.get("torso"),
        upper_legs=None if "upper_legs" in skin_like else words.get("upper_legs"),
        lower_legs=None if bare.get("lower_legs") or "lower_legs" in skin_like else words.get("lower_legs"),
        bare_torso=bare.get("torso"),
        bare_forearms=bare.get("forearms"),
        bare_lower_legs=bare.get("lower_legs"),
        frames=len(rows),
    )


def _near(a: np.ndarray, b: np.ndarray) -> bool:
    if abs(a[0] - b[0]) > SKIN_LIGHTNESS:
        return False
    chroma_a, chroma_b = np.hypot(*a[1:]), np.hypot(*b[1:])
    hue = abs(np.degrees(np.arctan2(a[2], a[1]) - np.arctan2(b[2], b[1])))
    same_hue = hue <= SKIN_HUE and 0.5 <= chroma_a / max(chroma_b, 1e-6) <= 2
    return bool(np.hypot(*(a[1:] - b[1:])) <= SKIN_CHROMA or same_hue)


def _skin(colour: np.ndarray) -> bool:
    """Whether a Lab colour lies where human skin of any tone can: warm, neither black nor white."""
    return bool(12 <= colour[0] <= 92 and 4 <= colour[1] <= 32 and 2 <= colour[2] <= 48)


def _ambiguous(part: str, medians: dict[str, np.ndarray]) -> bool:
    """Whether the part's colour could as well be skin: near the face, or near forearms of a skin's colour."""
    if part not in medians:
        return True
    if not _skin(medians[part]):
        return False
    others = [medians[p] for p in ("face", "forearms") if p in medians and _skin(medians[p])]
    return not others or any(np.linalg.norm(medians[part] - other) < CLOTH_FROM_SKIN for other in others)


def _bare(medians: dict[str, np.ndarray]) -> dict[str, bool]:
    """For trunk, forearms, lower legs: True where skin shows, False where cloth does; absent where unclear."""
    face = medians.get("face")
    if face is None or not _skin(face):
        return {}
    near = {part: _near(colour, face) and _skin(colour) for part, colour in medians.items()}
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


def phrase(facts: AppearanceFacts) -> str:
    """For instance "a person in a dark blue top and light grey trousers, with bare forearms"."""
    worn = []
    if facts.top and not facts.bare_torso:
        worn.append(f"{_article(facts.top)} {facts.top} top")
    if facts.upper_legs:
        same = facts.lower_legs is not None and kin(facts.upper_legs, facts.lower_legs)
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


def _article(word: str) -> str:
    return "an" if word[0] in "aeio" else "a"

"""Colours, bare skin, background and camera on painted frames with known values."""

from fractions import Fraction

import cv2
import numpy as np
import pytest

from annotators.captions.inputs import CaptionInput
from annotators.captions.scene import appearance, background, camera_motion
from annotators.captions.scene.colours import WORDS, are_kin, name_cloth, name_colour, to_lab
from humove.video.frames import ArrayFrames

SKIN = (205, 150, 125)
BONES = {
    "torso": (), "upper_arms": ("shoulder", "elbow"), "forearms": ("elbow", "wrist"),
    "upper_legs": ("hip", "knee"), "lower_legs": ("knee", "ankle"),
}  # fmt: skip


@pytest.mark.parametrize(
    ("rgb", "word"),
    [
        ((0, 0, 0), "black"), ((255, 255, 255), "white"), ((128, 128, 128), "grey"), ((200, 30, 30), "red"),
        ((30, 60, 170), "blue"), ((18, 22, 37), "dark blue"), ((37, 45, 13), "black"), ((30, 110, 50), "green"),
        ((240, 215, 50), "yellow"), ((240, 125, 35), "orange"), ((110, 72, 45), "brown"), ((120, 60, 155), "purple"),
        ((20, 70, 32), "dark green"), ((175, 175, 178), "light grey"), ((150, 200, 240), "light blue"),
    ],
)  # fmt: skip
def test_colour_words(rgb, word):
    assert name_colour(rgb) == word


def test_lab_matches_the_standard():
    """sRGB red in CIE Lab under D65 (Lindbloom's calculator): 53.24, 80.09, 67.20."""
    assert to_lab(np.array([[255, 0, 0]], np.uint8))[0] == pytest.approx([53.24, 80.09, 67.20], abs=0.3)


def test_name_cloth_with_one_two_or_no_colours():
    blue, white = np.tile(np.uint8([30, 60, 170]), (60, 1)), np.full((40, 3), 250, np.uint8)
    assert name_cloth(blue) == "blue"
    assert name_cloth(np.concatenate([blue, white])) == "blue and white"
    rainbow = np.array([[200, 30, 30], [30, 110, 50], [30, 60, 170], [240, 215, 50], [120, 60, 155]], np.uint8)
    assert name_cloth(rainbow) is None
    assert name_cloth(np.zeros((0, 3), np.uint8)) is None
    assert all(are_kin(word, word) for word in WORDS) and not are_kin("black", "grey")


def backdrop(colour=(150, 150, 150)):
    return np.full((720, 640, 3), colour, np.uint8)


def textured(seed=3, size=(720, 900)):
    rng = np.random.default_rng(seed)
    image = rng.integers(60, 200, (*[s // 12 for s in size], 3), np.uint8)
    return cv2.resize(image, size[::-1], interpolation=cv2.INTER_CUBIC)


def painted(scene, wear, back, shift=0.0):
    """A still person in the given colours before `back` (a picture, or one for each row)."""
    motion, pose = scene(seconds=1.5).shot()
    points = {n: pose.keypoints[:, k] for k, n in enumerate(pose.names)}
    images = []
    for row in range(len(motion.valid)):
        image = (back(row) if callable(back) else back).copy()
        if wear:
            corners = [points[p][row] for p in ("left_shoulder", "right_shoulder", "right_hip", "left_hip")]
            cv2.fillConvexPoly(image, np.array(corners).round().astype(np.int32), wear["torso"])
            for part, (a, b) in ((p, ends) for p, ends in BONES.items() if ends):
                for side in ("left", "right"):
                    ends = [tuple(int(round(v)) for v in points[f"{side}_{j}"][row]) for j in (a, b)]
                    cv2.line(image, *ends, wear[part], 26)
            cv2.circle(image, tuple(int(v) for v in points["nose"][row]), 22, wear["face"], -1)
        images.append(image)
    return CaptionInput(frames=ArrayFrames(images, 30), pose2d=pose, motion=motion, fps=Fraction(30))


ROWS = [5, 15, 25, 35]


def test_clothes_are_named_and_sleeves_are_not_skin(scene):
    wear = dict.fromkeys(BONES, (25, 40, 95)) | {"face": SKIN}
    wear |= {"upper_legs": (180, 180, 180), "lower_legs": (176, 176, 176)}
    facts = appearance.measure_appearance(painted(scene, wear, backdrop()), ROWS, 0.5)
    assert (facts.top, facts.upper_legs, facts.bare_forearms, facts.bare_lower_legs) == (
        "dark blue", "light grey", False, False,
    )  # fmt: skip
    assert appearance.phrase_appearance(facts) == "a person in a dark blue top and light grey trousers"


def test_bare_limbs_are_detected_by_the_face(scene):
    wear = dict.fromkeys(BONES, SKIN) | {"torso": (200, 30, 30), "upper_arms": (200, 30, 30), "face": SKIN}
    wear |= {"upper_legs": (20, 20, 22)}
    facts = appearance.measure_appearance(painted(scene, wear, backdrop()), ROWS, 0.5)
    assert appearance.phrase_appearance(facts) == (
        "a person in a red top and black shorts or a short skirt, with bare forearms and bare lower legs"
    )


def test_bare_chest_and_beige_shirt(scene):
    wear = dict.fromkeys(BONES, SKIN) | {"upper_legs": (20, 20, 22), "lower_legs": (20, 20, 22), "face": SKIN}
    facts = appearance.measure_appearance(painted(scene, wear, backdrop()), ROWS, 0.5)
    assert facts.bare_torso and facts.top is None
    hidden = painted(scene, wear, backdrop())
    hidden.pose2d.scores[:, :11] = 0.0
    facts = appearance.measure_appearance(hidden, ROWS, 0.5)
    assert facts.top is None and facts.bare_torso is None, "with no face to compare, skin and beige are alike"


def test_invisible_legs_have_no_colour(scene):
    clip = painted(scene, dict.fromkeys(BONES, (25, 40, 95)) | {"face": SKIN}, backdrop())
    clip.pose2d.scores[:, 25:] = 0.0
    facts = appearance.measure_appearance(clip, ROWS, 0.5)
    assert facts.upper_legs is None and "trousers" not in appearance.phrase_appearance(facts)


@pytest.mark.parametrize(("step", "direction"), [(3, "right"), (-3, "left"), (0, None)])
def test_pan(scene, step, direction):
    wide = textured()
    base = 130 - min(0, step) * 40 if step < 0 else 0
    clip = painted(scene, dict.fromkeys(BONES, (25, 40, 95)) | {"face": SKIN},
                   lambda row: wide[:, base + step * row : base + step * row + 640])  # fmt: skip
    motion = camera_motion.measure_camera_motion(clip, 12, 0.5)
    assert (motion.moving, motion.direction) == (step != 0, direction)
    if step:
        assert motion.speed == pytest.approx(abs(step) * 30 / 640, rel=0.05)


def test_moving_person_is_no_moving_camera(scene):
    """Even if the person has all the texture in the frame."""
    rng = np.random.default_rng(0)
    wear = {part: tuple(int(c) for c in rng.integers(0, 255, 3)) for part in (*BONES, "face")}
    still = textured(size=(720, 640))
    assert camera_motion.measure_camera_motion(painted(scene, wear, still), 12, 0.5).moving is False
    assert camera_motion.measure_camera_motion(painted(scene, wear, backdrop()), 12, 0.5).moving is None


def test_outdoors_needs_texture(scene):
    rng = np.random.default_rng(1)
    blades = cv2.resize(rng.integers(0, 90, (90, 80), np.uint8), (640, 720), interpolation=cv2.INTER_NEAREST)
    grass = backdrop((15, 65, 0)) + blades[..., None]
    grass[:240] = (120, 170, 235)
    smooth = backdrop((60, 120, 45))
    smooth[:240] = (120, 170, 235)
    assert background.measure_background(painted(scene, None, grass), ROWS, 4, 0.5).outdoors is True
    facts = background.measure_background(painted(scene, None, smooth), ROWS, 4, 0.5)
    assert facts.outdoors is None
    assert "outdoors" not in background.phrase_background(facts) and "green" in background.phrase_background(facts)


def test_background_excludes_the_person(scene):
    wear = dict.fromkeys(BONES, (200, 30, 30)) | {"face": (200, 30, 30)}
    facts = background.measure_background(painted(scene, wear, backdrop((30, 60, 170))), ROWS, 4, 0.5)
    assert facts.colours == ("blue",)
    assert background.phrase_background(facts) == "The background is mostly blue."

"""The complete captioner: its text, determinism and cost."""

import time
from dataclasses import asdict, replace
from fractions import Fraction

import numpy as np
import pytest

from annotators.captions.annotator import KinematicCaptioner
from annotators.captions.inputs import CaptionInput
from annotators.captions.movement.moves import find_moves, find_turning_points
from annotators.captions.movement.signals import find_unflipped_rows, smooth_rows
from humove.motion.skeleton_map import convert_skeleton
from humove.video.frames import ArrayFrames
from shards.schemas import Captions


@pytest.fixture
def clip(scene) -> CaptionInput:
    """A person raising the left arm before a blue wall."""
    motion, pose = scene(seconds=3.0).raise_arm("left", 0.5, 1.3).shot(0.008)
    picture = np.full((720, 640, 3), (30, 60, 170), np.uint8)
    frames = ArrayFrames([picture] * len(motion.valid), 30)
    return CaptionInput(frames=frames, pose2d=pose, motion=motion, fps=Fraction(30))


def test_caption(clip):
    captioner = KinematicCaptioner()
    captioner.load("cpu")
    caption, again = captioner.annotate([clip, clip])
    assert caption == again
    assert caption.source == "kinematics"
    assert caption.action == "Facing the camera, the person raises the left arm sideways above the head."
    assert caption.background == "The background is mostly blue."
    assert caption.full == (
        "A person in a blue top and blue trousers, facing the camera, "
        "raises the left arm sideways above the head. The background is mostly blue."
    )


def enlarged(scene, scale: float, onto: float, picture: np.ndarray) -> CaptionInput:
    """The person `scale` times as large, with the point halfway between the shoulders at `onto` of the height."""
    motion, pose = scene(seconds=2.0).shot(0.008)
    height, width = picture.shape[:2]
    shoulders = [pose.names.index(f"{side}_shoulder") for side in ("left", "right")]
    moved = (pose.keypoints - pose.keypoints[:, shoulders].mean(1, keepdims=True)) * scale
    moved += np.array([width / 2, height * onto], np.float32)
    inside = ((moved >= 0) & (moved < [width, height])).all(-1)
    pose = replace(pose, keypoints=moved, scores=np.where(inside, 0.95, 0.1).astype(np.float32))
    frames = ArrayFrames([picture] * len(motion.valid), 30)
    return CaptionInput(frames=frames, pose2d=pose, motion=motion, fps=Fraction(30))


def test_a_close_up_has_all_texts_of_the_format(scene):
    """The hips are invisible, so that person and background cannot be separated."""
    clip = enlarged(scene, 3.0, 0.75, np.full((288, 352, 3), (120, 90, 70), np.uint8))
    (caption,) = KinematicCaptioner().annotate([clip])
    assert caption.background == "The background is not described."
    assert caption.background not in caption.full and caption.full.startswith("A person")
    Captions.model_validate(asdict(caption))


def test_a_person_who_fills_the_frame_hides_the_background(scene):
    """The person's box with its margin covers the whole frame, though trunk and legs are visible."""
    motion, pose = scene(seconds=2.0).shot(0.008)
    low, high = pose.keypoints.min((0, 1)), pose.keypoints.max((0, 1))
    pose = replace(pose, keypoints=(pose.keypoints - low) / (high - low) * np.float32([159, 287]))
    frames = ArrayFrames([np.full((288, 160, 3), (120, 90, 70), np.uint8)] * len(motion.valid), 30)
    (caption,) = KinematicCaptioner().annotate(
        [CaptionInput(frames=frames, pose2d=pose, motion=motion, fps=Fraction(30))]
    )
    assert caption.background == "The person fills the frame."
    assert caption.full.endswith(" The person fills the frame.")


def test_a_background_without_a_main_colour_has_many_colours(scene):
    colours = [(200, 30, 30), (30, 110, 50), (30, 60, 170), (240, 215, 50), (120, 60, 155), (128, 128, 128)]
    picture = np.zeros((720, 640, 3), np.uint8)
    for number, colour in enumerate(colours):
        picture[number * 120 : (number + 1) * 120] = colour
    motion, pose = scene(seconds=2.0).shot(0.008)
    frames = ArrayFrames([picture] * len(motion.valid), 30)
    (caption,) = KinematicCaptioner().annotate(
        [CaptionInput(frames=frames, pose2d=pose, motion=motion, fps=Fraction(30))]
    )
    assert caption.background == "The background has many colours."


def test_keypoints_of_other_models_give_the_same_caption(clip):
    captioner = KinematicCaptioner()
    captioner.load("cpu")
    whole = replace(clip, pose2d=convert_skeleton(clip.pose2d, "coco_wholebody_133"))
    body = replace(clip, pose2d=convert_skeleton(clip.pose2d, "coco_17"))
    caption, of_whole, of_body = captioner.annotate([clip, whole, body])
    assert of_whole == caption
    # Without a mouth there is no face colour to compare with, and here no skin is described.
    assert of_body == caption
    arm = [body.pose2d.names.index(f"left_{joint}") for joint in ("elbow", "wrist")]
    body.pose2d.scores[:, arm] = 0
    (hidden,) = captioner.annotate([body])
    assert "left arm" in of_body.action and "left arm" not in hidden.action


def test_cost(clip):
    """The target is 3 CPU ms a frame; the test fails at twice that, so that a slow machine passes."""
    captioner = KinematicCaptioner()
    captioner.load("cpu")
    captioner.annotate([clip])
    before = time.process_time()
    captioner.annotate([clip])
    assert (time.process_time() - before) / len(clip.frames) < 0.006


def test_lengths_must_agree(clip):
    with pytest.raises(ValueError, match="different lengths"):
        CaptionInput(
            frames=ArrayFrames([clip.frames.read_rgb(0)], 30), pose2d=clip.pose2d, motion=clip.motion, fps=clip.fps
        )


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_very_short_clips(scene, rows):
    motion, pose = scene(seconds=rows / 30).shot()
    frames = ArrayFrames([np.zeros((720, 640, 3), np.uint8)] * rows, 30)
    caption = KinematicCaptioner().annotate(
        [CaptionInput(frames=frames, pose2d=pose, motion=motion, fps=Fraction(30))]
    )[0]
    assert caption.full.endswith(".")


def test_front_back_flips_are_excluded():
    """Half a turn within three frames at 60 a second, and back: the rows between are a flip."""
    yaw = np.zeros(100)
    yaw[40:75] = 180.0
    keep = find_unflipped_rows(yaw, 60.0)
    assert not keep[38:77].any() and keep[:30].all() and keep[85:].all()
    turning = np.linspace(0, 360, 60)  # a pirouette of one second
    assert find_unflipped_rows(turning, 60.0).all()


def test_moves_and_smoothing():
    series = np.array([0, 0, 0, 1, 2, 3, 3, 3, 2, 1, 0.0])
    assert [(m.before, m.after) for m in find_moves(series, 1.5)] == [(0, 3), (3, 0)]
    assert find_turning_points(series, 5.0) == []
    up = find_moves(series, 1.5)[0]
    assert (up.start, up.end) == (2, 5)
    flat = smooth_rows(np.full((20, 2), 7.0), np.ones(20), 2.0)
    assert flat == pytest.approx(7.0)
    gap = np.ones(30)
    gap[8:22] = 0
    wild = np.arange(30.0)
    wild[8:22] = 1e6
    assert smooth_rows(wild, gap, 1.0)[15] == pytest.approx(15, abs=0.5)

"""The whole captioner: one fluent text, the same each time, cheap."""

import time
from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from annotators.captions.annotator import KinematicCaptioner
from annotators.captions.inputs import CaptionInput
from annotators.captions.moves import moves, turning_points
from annotators.captions.signals import smooth, unflipped
from humove.skeleton_map import converted
from humove.video.frames import ArrayFrames


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


def test_keypoints_of_other_models_are_spoken_of_alike(clip):
    captioner = KinematicCaptioner()
    captioner.load("cpu")
    whole = replace(clip, pose2d=converted(clip.pose2d, "coco_wholebody_133"))
    body = replace(clip, pose2d=converted(clip.pose2d, "coco_17"))
    caption, of_whole, of_body = captioner.annotate([clip, whole, body])
    assert of_whole == caption
    # Without a mouth there is no face to compare colours with, and here no skin is spoken of.
    assert of_body == caption
    arm = [body.pose2d.names.index(f"left_{joint}") for joint in ("elbow", "wrist")]
    body.pose2d.scores[:, arm] = 0
    (hidden,) = captioner.annotate([body])
    assert "left arm" in of_body.action and "left arm" not in hidden.action


def test_cost(clip):
    """3 CPU ms a frame are granted; twice that fails, so that a slow machine does not."""
    captioner = KinematicCaptioner()
    captioner.load("cpu")
    captioner.annotate([clip])
    before = time.process_time()
    captioner.annotate([clip])
    assert (time.process_time() - before) / len(clip.frames) < 0.006


def test_lengths_must_agree(clip):
    with pytest.raises(ValueError, match="different lengths"):
        CaptionInput(frames=ArrayFrames([clip.frames.rgb(0)], 30), pose2d=clip.pose2d, motion=clip.motion, fps=clip.fps)


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_very_short_clips(scene, rows):
    motion, pose = scene(seconds=rows / 30).shot()
    frames = ArrayFrames([np.zeros((720, 640, 3), np.uint8)] * rows, 30)
    caption = KinematicCaptioner().annotate(
        [CaptionInput(frames=frames, pose2d=pose, motion=motion, fps=Fraction(30))]
    )[0]
    assert caption.full.endswith(".")


def test_front_taken_for_back_is_left_out():
    """Half a turn within three frames at 60 a second, and back: the rows between are nobody's heading."""
    yaw = np.zeros(100)
    yaw[40:75] = 180.0
    keep = unflipped(yaw, 60.0)
    assert not keep[38:77].any() and keep[:30].all() and keep[85:].all()
    turning = np.linspace(0, 360, 60)  # a pirouette of one second
    assert unflipped(turning, 60.0).all()


def test_moves_and_smoothing():
    series = np.array([0, 0, 0, 1, 2, 3, 3, 3, 2, 1, 0.0])
    assert [(m.before, m.after) for m in moves(series, 1.5)] == [(0, 3), (3, 0)]
    assert turning_points(series, 5.0) == []
    up = moves(series, 1.5)[0]
    assert (up.start, up.end) == (2, 5)
    flat = smooth(np.full((20, 2), 7.0), np.ones(20), 2.0)
    assert flat == pytest.approx(7.0)
    gap = np.ones(30)
    gap[8:22] = 0
    wild = np.arange(30.0)
    wild[8:22] = 1e6
    assert smooth(wild, gap, 1.0)[15] == pytest.approx(15, abs=0.5)

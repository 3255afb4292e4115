"""Captions of known motions, and movements that must not be described."""

import numpy as np
import pytest

from annotators.captions import phrases
from annotators.captions.config import CaptionConfig
from annotators.captions.movement.events import Kind
from annotators.captions.movement.kinematics import measure_facts

CONFIG = CaptionConfig()


def select_events(facts, kind):
    return tuple(e for e in facts.events if e.kind is kind)


def describe_scene(scene, camera_moving=False, noise_m=0.008):
    """Return facts and sentence; the noise is that of a fitted motion (about 20 mm/frame^2)."""
    motion, pose = scene.shot(noise_m)
    found = measure_facts(motion, pose, 30.0, camera_moving=camera_moving)
    return found, phrases.write_action(found, CONFIG)


def stride(scene, hertz, thigh, knee, arms):
    """Alternate legs with counter-swinging arms: 2 x hertz steps a second."""
    phase = 2 * np.pi * hertz * scene.times
    for side, sign in (("left", 1), ("right", -1)):
        scene.turn(f"{side}_hip", "x", -thigh * sign * np.sin(phase))
        scene.turn(f"{side}_knee", "x", 5 + knee * np.maximum(0, sign * np.cos(phase)))
        scene.turn(f"{side}_shoulder", "x", arms * sign * np.sin(phase))
    return scene


def squat(scene, keys):
    for side in ("left", "right"):
        for joint, degrees in (("hip", -95), ("knee", 120), ("ankle", -25)):
            scene.turn(f"{side}_{joint}", "x", [(t, degrees * v) for t, v in keys])
    return scene.turn("spine1", "x", [(t, 20 * v) for t, v in keys])


@pytest.mark.parametrize("roll", [0.0, 25.0])
def test_arms_one_after_the_other(scene, roll):
    found, text = describe_scene(scene(roll=roll).raise_arm("left", 0.5, 1.3).raise_arm("right", 2.0, 2.8))
    raises = select_events(found, Kind.ARM_RAISE)
    assert [e.side for e in raises] == ["left", "right"]
    assert raises[0].start == pytest.approx(0.65, abs=0.15) and raises[1].start == pytest.approx(2.15, abs=0.15)
    assert {e.level for e in raises} == {"above the head"}
    assert text == (
        "Facing the camera, the person first raises the left arm sideways above the head, "
        "then raises the right arm sideways above the head."
    )


def test_both_arms_at_once(scene):
    _, text = describe_scene(scene().raise_arm("left", 0.5, 1.3, 0).raise_arm("right", 0.6, 1.4, 0))
    assert text.endswith("the person raises both arms sideways to shoulder height.")


def test_arm_forward(scene):
    one = scene().turn("left_shoulder", "z", [(1, -78), (2, 0)]).turn("left_shoulder", "y", [(1, 0), (2, -85)])
    assert describe_scene(one)[1].endswith("raises the left arm forward to shoulder height.")


@pytest.mark.parametrize(("seconds", "adverb"), [(3.4, "slowly"), (0.35, "quickly"), (1.0, "")])
def test_pace(scene, seconds, adverb):
    text = describe_scene(scene().raise_arm("left", 0.3, 0.3 + seconds))[1]
    assert ("slowly" in text, "quickly" in text) == (adverb == "slowly", adverb == "quickly")


def test_raise_and_lower_counted(scene):
    one = scene(seconds=6.0)
    one.turn("left_shoulder", "z", [(t, -78 if k % 2 == 0 else 60) for k, t in enumerate(np.arange(0.3, 5.0, 0.7))])
    found, text = describe_scene(one)
    assert select_events(found, Kind.ARM_UP_DOWN)[0].times == 3
    assert "raises and lowers the left arm three times" in text


def test_wave(scene):
    one = scene().raise_arm("right", 0.3, 0.8, -10)
    found, text = describe_scene(
        one.turn("right_elbow", "z", -80 + 25 * np.sin(4 * np.pi * one.times) * (one.times > 0.9))
    )
    assert [e.side for e in select_events(found, Kind.WAVE)] == ["right"]
    assert "waves the right hand" in text and "left" not in text


def test_squat_and_jump(scene):
    found, text = describe_scene(squat(scene(), [(0.5, 0), (1.5, 1), (2.5, 0)]))
    assert [e.kind for e in found.events] == [Kind.SQUAT]
    assert "squats down and rises again." in text and "jump" not in text and "still" not in text
    leap = squat(scene(), [(0.5, 0), (1.2, 0.4), (1.5, 0)])
    leap.shift[:, 1] = np.maximum(0, 0.5 * 9.81 * (0.3**2 - (leap.times - 1.8) ** 2))
    found, text = describe_scene(leap)
    assert [e.kind for e in select_events(found, Kind.JUMP)] == [Kind.JUMP] and "jumps" in text
    assert select_events(found, Kind.JUMP)[0].start == pytest.approx(1.5, abs=0.12)
    assert "jump" not in describe_scene(leap, camera_moving=True)[1], "a moving camera could have made it"


def test_lunge_and_dip(scene):
    """A lunge names the leg in front; a dip of the knees is no squat."""
    lunge = scene()
    keys = [(0.5, 0), (1.5, 1), (2.5, 0)]
    for joint, degrees in (("left_hip", -80), ("left_knee", 80), ("right_hip", 15), ("right_knee", 60)):
        lunge.turn(joint, "x", [(t, degrees * v) for t, v in keys])
    assert describe_scene(lunge)[1].endswith("lunges with the left leg in front.")
    dip = scene()
    for side in ("left", "right"):
        for joint, degrees in (("hip", -32), ("knee", 63), ("ankle", -30)):
            dip.turn(f"{side}_{joint}", "x", [(t, degrees * v) for t, v in keys])
    text = describe_scene(dip)[1]
    assert text.endswith("bends and straightens both knees.") and "squat" not in text


def test_knees_indicate_a_walk_towards_the_camera_only_with_travel(scene):
    """From the front, fitted thighs hardly swing, but the knees bend alternately."""
    one = stride(scene(), 0.95, 4, 30, 5)
    assert "walk" not in describe_scene(one)[1]
    one.shift[:, 2] = 1.0 * (one.times - 2)
    assert describe_scene(one)[1].endswith("walks towards the camera.")


def test_repeated_lifts_of_one_leg_are_no_walk(scene):
    one = scene()
    phase = np.maximum(0, np.sin(2 * np.pi * 0.9 * one.times))
    text = describe_scene(one.turn("left_hip", "x", -45 * phase).turn("left_knee", "x", 60 * phase))[1]
    assert "walk" not in text and "step" not in text and "left" in text


def test_running_in_slow_motion(scene):
    """Heels behind, knees far bent, less than one step a second: only slow motion has that."""
    one = scene(seconds=6.0)
    phase = 2 * np.pi * 0.42 * one.times
    for side, sign in (("left", 1), ("right", -1)):
        one.turn(f"{side}_hip", "x", -8 - 26 * sign * np.sin(phase))
        one.turn(f"{side}_knee", "x", 15 + 95 * np.maximum(0, sign * np.sin(phase - 2.2)))
    assert "runs in slow motion" in describe_scene(one, camera_moving=True)[1]


def test_slow_rise_is_no_jump(scene):
    lift = scene()
    lift.shift[:, 1] = 0.4 * np.maximum(0, 1 - ((lift.times - 2) / 1.4) ** 2)
    assert "jump" not in describe_scene(lift)[1]


def test_held_crouch_is_no_squat(scene):
    text = describe_scene(squat(scene(), [(0.5, 0), (1.5, 1)]))[1]
    assert "bending both knees" in text and "squat" not in text and "rises" not in text


def test_walk_and_run_in_place(scene):
    found, text = describe_scene(stride(scene(), 0.95, 28, 45, 25))
    assert select_events(found, Kind.WALK)[0].amount == pytest.approx(1.9, abs=0.15)
    assert "walks in place while swinging both arms back and forth alternately" in text
    assert "runs" not in text and "kick" not in text and "jump" not in text
    found, text = describe_scene(stride(scene(), 1.4, 42, 105, 35))
    assert select_events(found, Kind.RUN)[0].amount == pytest.approx(2.8, abs=0.2)
    assert "runs in place" in text and "walks" not in text


def test_no_place_with_a_moving_camera(scene):
    text = describe_scene(stride(scene(), 1.4, 42, 105, 35), camera_moving=True)[1]
    assert "runs" in text and "in place" not in text and "picture" not in text


def test_walk_direction(scene):
    one = stride(scene(), 0.95, 28, 45, 25)
    one.yaw[:] = 90
    one.shift[:, 0] = 1.2 * (one.times - 2)
    text = describe_scene(one)[1]
    assert text.startswith("Facing the right of the picture, the person walks to the right of the picture")
    back = stride(scene(), 0.95, 28, 45, 25)
    back.shift[:, 2] = -1.0 * (back.times - 2)
    assert "walks backwards, away from the camera" in describe_scene(back)[1]


@pytest.mark.parametrize(("degrees", "words"), [(180, "180 degrees to their left"), (-90, "90 degrees to their right")])
def test_turn(scene, degrees, words):
    one = scene()
    one.yaw = degrees * np.clip((one.times - 1) / 1.5, 0, 1)
    found, text = describe_scene(one)
    assert select_events(found, Kind.TURN)[0].amount == pytest.approx(abs(degrees), abs=8)
    assert f"turns about {words}" in text and "acing the" not in text


def test_legs(scene):
    kick = scene().turn("right_hip", "x", [(1, 0), (1.25, -70), (1.7, 0)])
    kick.turn("right_knee", "x", [(0.8, 0), (1.0, 50), (1.25, 0)])
    assert describe_scene(kick)[1].endswith("kicks forward with the right leg.")
    knee = scene().turn("left_hip", "x", [(1, 0), (1.7, -80), (2.5, 0)])
    assert describe_scene(knee.turn("left_knee", "x", [(1, 0), (1.7, 90), (2.5, 0)]))[1].endswith(
        "raises the left knee."
    )
    side = scene().turn("left_hip", "z", [(1, 0), (1.7, 50), (2.5, 0)])
    assert describe_scene(side)[1].endswith("lifts the left leg out to the side.")


def test_bend_and_straighten(scene):
    text = describe_scene(scene().turn("spine1", "x", [(0.5, 0), (1.5, 60), (2.2, 60), (3.2, 0)]))[1]
    assert text.endswith("first bends forward at the hips, then straightens up.")


@pytest.mark.parametrize("seed", range(6))
@pytest.mark.parametrize("noise_mm", [4, 14])
def test_noise_alone_moves_nothing(scene, noise_mm, seed):
    """Independent noise of 4 and 14 mm a frame and axis is a jitter of about 10 and 35 mm/frame^2."""
    motion, pose = scene().shot(noise_mm / 1000, seed)
    found = measure_facts(motion, pose, 30.0, camera_moving=False)
    assert found.events == ()
    assert phrases.phrase_predicate(found, CONFIG) == "stands still"


def test_frames_of_low_confidence_are_not_described(scene, blind):
    motion, pose = scene().raise_arm("left", 1.0, 1.8).shot(0.008)
    lost = measure_facts(blind(motion, slice(0, 80)), pose, 30.0, camera_moving=False)
    assert select_events(lost, Kind.ARM_RAISE) == ()
    nothing = measure_facts(blind(motion, slice(None)), pose, 30.0)
    assert phrases.write_action(nothing, CONFIG) == "The person is in view."


def test_invisible_arm_is_not_described(scene):
    motion, pose = scene().raise_arm("left", 1.0, 1.8).shot(0.008)
    pose.scores[:, pose.names.index("left_wrist")] = 0.1
    assert "left" not in phrases.write_action(measure_facts(motion, pose, 30.0, camera_moving=False), CONFIG)

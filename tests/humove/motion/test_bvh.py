import json

import numpy as np
import pytest

from humove.errors import UserError
from humove.motion.body import Body
from humove.motion.bvh import read_bvh
from humove.motion.retarget import retarget_bvh
from humove.motion.skeletons import SMPL_JOINTS

_SIDES = (("Left", 1), ("Right", -1))


def format_joint(name: str, offset: tuple, inner: str = "", channels: str = "3 Zrotation Xrotation Yrotation") -> str:
    x, y, z = offset
    inner = inner or "End Site { OFFSET 0 0.1 0 }"
    return f"JOINT {name} {{ OFFSET {x} {y} {z} CHANNELS {channels} {inner} }}"


def format_person(rows: list[dict], unit: float = 0.01, hang: bool = False) -> str:
    """Format a person with Mixamo's names in `unit` metres; rows: one dict per frame, channel column name -> value.

    `hang`: the arms of the rest pose hang instead of pointing sideways.
    """
    s = 1 / unit
    legs, arms = "", ""
    for side, sign in _SIDES:
        toes = format_joint(f"{side}ToeBase", (0, -0.05 * s, 0.12 * s))
        foot = format_joint(f"{side}Foot", (0, -0.43 * s, 0), toes)
        legs += format_joint(
            f"{side}UpLeg", (sign * 0.1 * s, -0.05 * s, 0), format_joint(f"{side}Leg", (0, -0.42 * s, 0), foot)
        )
        along = (lambda d: (0, -d * s, 0)) if hang else (lambda d, sign=sign: (sign * d * s, 0, 0))
        hand = format_joint(f"{side}Hand", along(0.25))
        fore = format_joint(f"{side}ForeArm", along(0.28), hand)
        arm = format_joint(f"{side}Arm", (sign * 0.12 * s, 0, 0), fore)
        arms += format_joint(f"{side}Shoulder", (sign * 0.05 * s, 0.15 * s, 0), arm)
    head = format_joint("Neck", (0, 0.2 * s, 0), format_joint("Head", (0, 0.08 * s, 0)))
    spine = format_joint("Spine", (0, 0.1 * s, 0), format_joint("Spine1", (0, 0.12 * s, 0), head + arms))
    text = (
        "HIERARCHY ROOT Hips { OFFSET 0 0 0 CHANNELS 6 Xposition Yposition Zposition Yrotation Xrotation Zrotation "
        + legs + spine + " }"
    )  # fmt: skip
    columns = _list_columns(text)
    lines = [" ".join(str(frame.get(c, 0.0)) for c in columns) for frame in rows]
    return text + f"\nMOTION\nFrames: {len(rows)}\nFrame Time: 0.04\n" + "\n".join(lines) + "\n"


def _list_columns(text: str) -> list[str]:
    words, name, columns = text.split(), "", []
    for i, word in enumerate(words):
        if word in ("ROOT", "JOINT"):
            name = words[i + 1]
        if word == "CHANNELS":
            columns += [f"{name}.{c}" for c in words[i + 2 : i + 2 + int(words[i + 1])]]
    return columns


def write_bvh(tmp_path, text: str):
    path = tmp_path / "motion.bvh"
    path.write_text(text)
    return path


def get_joint(joints: np.ndarray, name: str) -> np.ndarray:
    return joints[:, SMPL_JOINTS.index(name)]


def test_a_file_is_read_with_its_channels_in_their_own_order(tmp_path):
    text = """HIERARCHY
ROOT a
{
  OFFSET 1 2 3
  CHANNELS 6 Zposition Xposition Yposition Xrotation Zrotation Yrotation
  JOINT b
  {
    OFFSET 0 10 0
    CHANNELS 3 Yrotation Zrotation Xrotation
    End Site
    {
      OFFSET 0 1 0
    }
  }
}
MOTION
Frames: 2
Frame Time: 0.0083333
0 0 0 0 0 0 0 0 0
7 5 6 90 90 0 0 0 90
"""
    bvh = read_bvh(write_bvh(tmp_path, text))
    assert bvh.names == ("a", "b") and bvh.parents == (-1, 0) and round(bvh.fps) == 120
    turns, places = bvh.compute_world_transforms()
    np.testing.assert_allclose(places[1, 0], (5, 6, 7))
    # X by 90 after (outside of) Z by 90: b's offset +y goes to -x by Z, and X leaves that alone.
    np.testing.assert_allclose(places[1, 1] - places[1, 0], (-10, 0, 0), atol=1e-9)
    rx = np.array([[1, 0, 0], [0, 0, -1], [0, 1, 0]])
    rz = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]])
    np.testing.assert_allclose(turns[1, 0], rx @ rz, atol=1e-9)
    np.testing.assert_allclose(turns[1, 1], rx @ rz @ rx, atol=1e-9)
    np.testing.assert_allclose(bvh.compute_rest_positions(), [(0, 0, 0), (0, 10, 0)])


@pytest.mark.parametrize(
    "break_it",
    [
        lambda t: "",
        lambda t: t[: len(t) // 3],
        lambda t: t.replace("MOTION", "EMOTION"),
        lambda t: t.rsplit("\n", 2)[0],
        lambda t: t.replace("Frame Time: 0.04", "Frame Time: 0"),
        lambda t: t.replace("Xposition", "Xwobble", 1),
        lambda t: t.replace("0.0", "zero", 1),
    ],
)
def test_broken_files_are_a_user_error(tmp_path, break_it):
    text = format_person([{}, {}])
    assert len(read_bvh(write_bvh(tmp_path, text)).rotations) == 2
    with pytest.raises(UserError, match="motion.bvh"):
        read_bvh(write_bvh(tmp_path, break_it(text)))


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(UserError, match="nowhere.bvh"):
        read_bvh(tmp_path / "nowhere.bvh")


@pytest.mark.parametrize("unit", [1.0, 0.01, 0.0254, 0.0254 / 0.45])
def test_the_unit_is_guessed(tmp_path, unit):
    assert read_bvh(write_bvh(tmp_path, format_person([{}], unit))).guess_unit() == pytest.approx(unit)


@pytest.mark.parametrize("hang", [False, True])
def test_bone_directions_are_the_files_own(tmp_path, hang):
    rng = np.random.default_rng(0)
    names = [f"{side}{part}" for side, _ in _SIDES for part in ("UpLeg", "Leg", "Foot", "Arm", "ForeArm", "Shoulder")]
    rows = [
        {f"{n}.{a}rotation": rng.uniform(-60, 60) for n in [*names, "Hips", "Spine"] for a in "XYZ"} for _ in range(4)
    ]
    bvh = read_bvh(write_bvh(tmp_path, format_person(rows, hang=hang)))
    motion = retarget_bvh(bvh, Body.load("man"))
    joints, (_, places) = motion.compute_joints(), bvh.compute_world_transforms()
    for side, _ in _SIDES:
        low = side.lower()
        for (a, b), (c, d) in (
            (("hip", "knee"), ("UpLeg", "Leg")), (("knee", "ankle"), ("Leg", "Foot")),
            (("ankle", "foot"), ("Foot", "ToeBase")), (("shoulder", "elbow"), ("Arm", "ForeArm")),
            (("elbow", "wrist"), ("ForeArm", "Hand")),
        ):  # fmt: skip
            ours = get_joint(joints, f"{low}_{b}") - get_joint(joints, f"{low}_{a}")
            theirs = places[:, bvh.names.index(f"{side}{d}")] - places[:, bvh.names.index(f"{side}{c}")]
            cosine = (ours * theirs).sum(1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
            assert cosine.min() > 0.99999, (side, a)


def test_the_body_takes_the_performers_leg_length_and_stands_on_the_floor(tmp_path):
    rows = [{"Hips.Yposition": 500.0 + i, "Hips.Xposition": 10.0 * i} for i in range(5)]
    motion = retarget_bvh(read_bvh(write_bvh(tmp_path, format_person(rows))), Body.load())
    rest = motion.body.rest_joints
    assert np.linalg.norm(rest[4] - rest[1]) + np.linalg.norm(rest[7] - rest[4]) == pytest.approx(0.85, abs=1e-3)
    pose = np.concatenate([motion.global_orient[:, None], motion.body_pose], 1)
    lowest = motion.body.compute_vertices(pose, motion.transl)[..., 1].min(1)
    assert lowest[0] == pytest.approx(0, abs=0.01)
    np.testing.assert_allclose(np.diff(get_joint(motion.compute_joints(), "pelvis")[:, 0]), 0.1, atol=1e-5)
    assert motion.fps == pytest.approx(25)


def test_a_quarter_turn_of_the_hips_turns_the_person(tmp_path):
    motion = retarget_bvh(read_bvh(write_bvh(tmp_path, format_person([{}, {"Hips.Yrotation": 90.0}]))), Body.load())
    joints = motion.compute_joints()
    ahead = get_joint(joints, "left_foot") - get_joint(joints, "left_ankle")
    assert ahead[0, 2] > 0.1 and ahead[1, 0] > 0.1
    np.testing.assert_allclose(motion.global_orient[1], (0, np.pi / 2, 0), atol=1e-5)


def test_unknown_joint_names_are_a_user_error(tmp_path):
    text = format_person([{}]).replace("LeftUpLeg", "Bone17")
    with pytest.raises(UserError, match="left_hip"):
        retarget_bvh(read_bvh(write_bvh(tmp_path, text)), Body.load())


def test_real_motion_capture_of_every_kind(shared_data):
    folder = shared_data / "motion"
    rows = json.loads((folder / "manifest.json").read_text())
    kinds = {}
    for entry in rows:
        kinds.setdefault((entry["joints"], tuple(np.rint(entry["rest_arm_dir"]))), entry)
    assert len(kinds) >= 3
    for entry in kinds.values():
        bvh = read_bvh(folder / entry["file"])
        assert bvh.guess_unit() == pytest.approx(entry["unit_scale_to_m"], rel=0.07)
        motion = retarget_bvh(bvh, Body.load())
        assert len(motion) == entry["frames"] and 1.4 < motion.body.stature < 2.0
        step = np.linalg.norm(np.diff(motion.compute_joints(), axis=0), axis=-1).max()
        assert step < 0.4, entry["file"]

import io
import zipfile

import numpy as np
import pytest

from echomotion_model.importing.amass import read_amass
from echomotion_model.importing.bodies import TrueBodies
from echomotion_model.importing.reasons import BadMotion
from humove.errors import UserError
from humove.motion.body import Body
from tests.echomotion_model.importing.sample_files import amass_arrays, write_amass


def test_a_recording_is_read_without_its_fingers(tmp_path):
    path = write_amass(tmp_path / "a.npz")
    arrays, motion = amass_arrays(), read_amass(path, None)
    np.testing.assert_array_equal(motion.global_orient, arrays["poses"][:, :3])
    np.testing.assert_array_equal(motion.body_pose[:, :21].reshape(240, 63), arrays["poses"][:, 3:66])
    assert (motion.body_pose[:, 21:] == 0).all()
    assert motion.fps == 120 and motion.frame == "world_z_up" and len(motion) == 240


def test_without_its_body_the_open_one_is_used_and_recorded(tmp_path):
    motion = read_amass(write_amass(tmp_path / "a.npz"), None)
    np.testing.assert_array_equal(motion.rest_joints, Body.load().rest_joints)
    assert (motion.betas == 0).all() and motion.body.shape_source == "proxy"
    assert motion.body.gender == "female" and len(motion.body.source_betas) == 16


def test_with_its_body_the_joints_follow_from_ten_betas(tmp_path, body_models):
    betas = np.zeros(16)
    betas[[0, 12]] = 2.0
    motion = read_amass(write_amass(tmp_path / "a.npz", betas=betas), TrueBodies(body_models))
    template = np.random.default_rng(5).normal(0, 0.3, (60, 3)) * 0.9
    wanted = template[[*range(22), 25, 40]] + (0, 0.02, 0)
    np.testing.assert_allclose(motion.rest_joints, wanted, atol=1e-6)
    assert motion.body.shape_source == "true" and motion.betas[0] == 2 and motion.betas.shape == (10,)


def test_female_and_male_have_separate_bodies(tmp_path, body_models):
    bodies = TrueBodies(body_models)
    woman = read_amass(write_amass(tmp_path / "f.npz"), bodies)
    man = read_amass(write_amass(tmp_path / "m.npz", gender=np.array("male")), bodies)
    assert np.abs(woman.rest_joints - man.rest_joints).max() > 0.01


@pytest.mark.parametrize(
    "value", [np.array(b"female"), np.array("b'female'"), np.array(["female"]), np.array("Female")]
)
def test_gender_is_parsed_in_all_its_spellings(tmp_path, value):
    assert read_amass(write_amass(tmp_path / "a.npz", gender=value), None).body.gender == "female"


@pytest.mark.parametrize("gone", ["female", "male"])
def test_a_missing_body_gives_a_one_line_error_at_the_start(body_models, gone):
    (body_models / gone / "model.npz").unlink()
    with pytest.raises(UserError, match=f"no {gone}/model.npz"):
        TrueBodies(body_models)


def test_a_pickled_body_is_refused(body_models):
    np.savez(body_models / "male" / "model.npz", v_template=np.array([{}], dtype=object))
    with pytest.raises(UserError, match="not an SMPL or SMPL"):
        TrueBodies(body_models)


@pytest.mark.parametrize(
    ("changed", "reason"),
    [
        ({"poses": None}, "no_motion"),
        ({"trans": None}, "no_motion"),
        ({"mocap_framerate": None}, "no_frame_rate"),
        ({"mocap_framerate": np.array(0.0)}, "no_frame_rate"),
        ({"mocap_framerate": np.array(np.nan)}, "no_frame_rate"),
        ({"mocap_framerate": np.array([120.0, 60.0])}, "no_frame_rate"),
        ({"poses": np.zeros((240, 100))}, "bad_shape"),
        ({"poses": np.zeros(240)}, "bad_shape"),
        ({"trans": np.zeros((239, 3))}, "bad_shape"),
        ({"trans": np.zeros((240, 3), "U1")}, "bad_shape"),
        ({"poses": np.zeros((240, 165))}, "smplx_body"),
        ({"trans": np.full((240, 3), np.inf)}, "not_finite"),
        ({"betas": np.full(16, np.nan)}, "not_finite"),
        ({"trans": np.full((240, 3), 1e6)}, "out_of_range"),
        ({"poses": np.array([{}] * 240, dtype=object)}, "pickled"),
    ],
)
def test_a_bad_recording_has_its_reason(tmp_path, changed, reason):
    with pytest.raises(BadMotion) as bad:
        read_amass(write_amass(tmp_path / "a.npz", **changed), None)
    assert bad.value.reason == reason and bad.value.detail


def test_a_file_that_is_not_an_npz_is_unreadable(tmp_path):
    whole = write_amass(tmp_path / "whole.npz").read_bytes()
    np.save(tmp_path / "array.npy", np.zeros(3))
    header = b"\x93NUMPY\x01\x00v\x00{'descr': '<f8', 'fortran_order': False, 'shape': (10000000000000, 156), }"
    broken = {
        "text": b"not an npz",
        "empty": b"",
        "short": whole[: len(whole) // 2],
        "turned": whole[:2000] + bytes(255 - b for b in whole[2000:4000]) + whole[4000:],
        "array": (tmp_path / "array.npy").read_bytes(),
        "pickle": b"\x80\x04\x95\x0b\x00\x00\x00\x00\x00\x00\x00\x8c\x07builtin.",
        "huge": header,
    }
    for name, raw in broken.items():
        path = tmp_path / f"{name}.npz"
        path.write_bytes(raw)
        with pytest.raises(BadMotion) as bad:
            read_amass(path, None)
        assert bad.value.reason == "unreadable", name


def test_a_header_that_is_not_python_is_unreadable(tmp_path):
    npy = io.BytesIO()
    np.save(npy, np.zeros((240, 156)))
    garbled = npy.getvalue().replace(b"(240, 156)", b"(240, (156")
    with zipfile.ZipFile(write_amass(tmp_path / "a.npz", poses=None), "a") as box:
        box.writestr("poses.npy", garbled)
    with pytest.raises(BadMotion) as bad:
        read_amass(tmp_path / "a.npz", None)
    assert bad.value.reason == "unreadable"


def test_a_member_that_is_not_an_array_is_unreadable(tmp_path):
    with zipfile.ZipFile(write_amass(tmp_path / "a.npz", poses=None), "a") as box:
        box.writestr("poses", b"text")
    with pytest.raises(BadMotion, match="poses is not an array"):
        read_amass(tmp_path / "a.npz", None)


def test_an_array_larger_than_memory_is_unreadable(tmp_path):
    npy = io.BytesIO()
    np.lib.format.write_array_header_1_0(npy, {"descr": "<f8", "fortran_order": False, "shape": (10**15, 156)})
    with zipfile.ZipFile(tmp_path / "a.npz", "w") as box:
        box.writestr("poses.npy", npy.getvalue() + b"\0" * 64)
        box.writestr("trans.npy", npy.getvalue())
    with pytest.raises(BadMotion) as bad:
        read_amass(tmp_path / "a.npz", None)
    assert bad.value.reason == "unreadable"

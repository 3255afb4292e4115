"""The user's SMPL file in a configuration: allowed, recorded, named by its content and not by its path."""

import json

import pytest

from annotators.registry import build_annotator_record, create_annotator, get_annotator_settings
from annotators.rights import check_annotator
from annotators.weights.user_files import hash_path
from humove.errors import UserError
from pipelines.stages.motion import MotionConfig


@pytest.fixture
def section(smpl_npz) -> MotionConfig:
    return MotionConfig.model_validate({"landmark_fit": {"smpl": {"path": str(smpl_npz)}}})


def test_its_licence_must_be_allowed(section) -> None:
    with pytest.raises(UserError, match=r"non-commercial .*: allow: \[permissive, non-commercial\]"):
        check_annotator("motion", section, ("permissive",), runs=True)
    check_annotator("motion", section, ("permissive", "non-commercial"), runs=True)
    check_annotator("motion", MotionConfig(), ("permissive",), runs=True)


def test_samples_record_body_and_file(section, smpl_npz) -> None:
    record = build_annotator_record("motion", section)
    (file,) = record["weights"]
    assert file["name"] == "motion.landmark_fit.smpl" and file["sha256"] == hash_path(smpl_npz)
    assert "non-commercial" in record["licence"]
    assert create_annotator("motion", section).shape_source == "true"
    assert build_annotator_record("motion", MotionConfig())["weights"] == []
    assert create_annotator("motion", MotionConfig()).shape_source == "proxy"


def test_settings_depend_on_the_content_and_not_on_the_path(section, smpl_npz, tmp_path) -> None:
    moved = tmp_path / "elsewhere.npz"
    moved.write_bytes(smpl_npz.read_bytes())
    other = MotionConfig.model_validate({"landmark_fit": {"smpl": {"path": str(moved)}}})
    named = [get_annotator_settings("motion", each) for each in (section, other, MotionConfig())]
    assert named[0] == named[1] != named[2]
    assert str(tmp_path) not in json.dumps(named)

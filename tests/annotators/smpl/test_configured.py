"""The user's SMPL file in a configuration: allowed, recorded, named by its content and not by its path."""

import json

import pytest

from annotators.registry import annotator_record, annotator_settings, chosen
from annotators.rights import check_annotator
from annotators.user_weights import sha256_of
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


def test_samples_say_which_body_and_which_file(section, smpl_npz) -> None:
    record = annotator_record("motion", section)
    (file,) = record["weights"]
    assert file["name"] == "motion.landmark_fit.smpl" and file["sha256"] == sha256_of(smpl_npz)
    assert "non-commercial" in record["licence"]
    assert chosen("motion", section).shape_source == "true"
    assert annotator_record("motion", MotionConfig())["weights"] == []
    assert chosen("motion", MotionConfig()).shape_source == "proxy"


def test_results_hang_on_the_content_and_not_on_the_path(section, smpl_npz, tmp_path) -> None:
    moved = tmp_path / "elsewhere.npz"
    moved.write_bytes(smpl_npz.read_bytes())
    other = MotionConfig.model_validate({"landmark_fit": {"smpl": {"path": str(moved)}}})
    named = [annotator_settings("motion", each) for each in (section, other, MotionConfig())]
    assert named[0] == named[1] != named[2]
    assert str(tmp_path) not in json.dumps(named)

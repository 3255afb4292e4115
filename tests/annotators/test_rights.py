"""Checks before a build: rights, extras, and files, each a line with the remedy."""

import dataclasses
import hashlib
from pathlib import Path

import pytest

from annotators import rights
from annotators.extras import EXTRAS
from annotators.registry import (
    build_annotator_record,
    create_annotator,
    get_annotator_settings,
    get_own_weights,
    list_annotators,
)
from annotators.rights import check_annotator, find_unset_settings
from humove.errors import UserError
from pipelines.config import BuildConfig, make_config
from pipelines.engine.plan import Plan

ALL = ("permissive", "agpl", "non-commercial")


def configuration(*overrides: str) -> BuildConfig:
    return make_config({}, list(overrides))


def plan(*overrides: str) -> Plan:
    return Plan.from_config(configuration(*overrides))


@pytest.mark.parametrize(
    ("setting", "line"),
    [
        ("track.annotator=ultralytics", "allow: [permissive, agpl]"),
        ("motion.annotator=nlf", "allow: [permissive, non-commercial]"),
        ("motion.annotator=results", "allow: [permissive, non-commercial]"),
    ],
)
def test_other_rights_are_rejected_with_the_line_that_allows_them(setting: str, line: str) -> None:
    with pytest.raises(UserError) as caught:
        plan(setting).check_annotators()
    assert str(caught.value).endswith(f"this line in the configuration allows it: {line}")
    allowed = line.removeprefix("allow: ")
    with pytest.raises(UserError) as caught:  # with the rights allowed, the next check fails
        plan(setting, f"allow={allowed}").check_annotators()
    assert "allow" not in str(caught.value)


def test_the_allow_line_adds_only_the_missing_rights() -> None:
    with pytest.raises(UserError, match=r"allow: \[permissive, agpl, non-commercial\]"):
        plan("motion.annotator=nlf", "allow=[permissive, agpl]").check_annotators()


def test_reselecting_checks_rights_but_no_files() -> None:
    with pytest.raises(UserError, match="allow:"):
        plan("motion.annotator=nlf").check_annotators(runs=False)
    plan("motion.annotator=nlf", "allow=[permissive, non-commercial]").check_annotators(runs=False)


def test_every_annotator_declares_its_rights_and_licence() -> None:
    config = configuration("caption.endpoint.model=m")
    sections = {"tracks": config.track, "pose2d": config.pose2d, "motion": config.motion, "caption": config.caption,
                "aesthetic": config.aesthetic, "category": config.category}  # fmt: skip
    for kind, section in sections.items():
        assert list_annotators(kind)
        for name in list_annotators(kind):
            annotator = create_annotator(kind, section.model_copy(update={"annotator": name}))
            assert annotator.rights in ALL and annotator.licence and annotator.version, name


def test_all_unset_settings_are_named_in_one_line(monkeypatch) -> None:
    monkeypatch.setattr(rights, "find_spec", lambda name: name)
    choices = ["track.annotator=ultralytics", "pose2d.annotator=rtmlib", "motion.annotator=nlf"]
    with pytest.raises(UserError) as caught:
        plan(*choices, "caption.annotator=endpoint", f"allow=[{', '.join(ALL)}]").check_annotators()
    message = str(caught.value)
    for name in ("track.ultralytics.weights.path", "pose2d.rtmlib.weights.path", "caption.endpoint.server.url"):
        assert name in message
    assert "\n" not in message and "SET track.ultralytics.weights.path=" in message


def test_optional_settings_may_be_unset() -> None:
    config = configuration("motion.annotator=results")
    assert find_unset_settings("motion", config.motion) == ["motion.results.folder.path", "motion.results.smpl.path"]
    assert find_unset_settings("motion", configuration().motion) == []


def test_a_missing_extra_is_named_with_its_command(monkeypatch) -> None:
    absent = dataclasses.replace(EXTRAS["pose2d.mmpose"], modules=("humove", "no_such_module_of_mmpose"))
    monkeypatch.setitem(rights.EXTRAS, "pose2d.mmpose", absent)
    with pytest.raises(UserError) as caught:
        plan("pose2d.annotator=mmpose").check_annotators()
    assert str(caught.value) == ("pose2d.annotator 'mmpose' needs no_such_module_of_mmpose: make setup EXTRAS=mmpose")


def test_every_extra_is_one_of_the_package() -> None:
    from importlib.metadata import metadata

    known = set(metadata("humove").get_all("Provides-Extra"))
    assert {need.extra for need in EXTRAS.values()} <= known


@pytest.mark.parametrize(
    ("torch", "vision", "pair"),
    [("2.14.1", "0.29.1", True), ("2.13.0+cpu", "0.28.0+cpu", True), ("2.13.0+cpu", "0.28.0", False)],
)
def test_a_torchvision_of_another_build_is_reported(monkeypatch, torch: str, vision: str, pair: bool) -> None:
    monkeypatch.setattr(rights, "version", lambda name: {"torch": torch, "torchvision": vision}[name])
    monkeypatch.setattr(rights, "find_spec", lambda name: name)
    section = configuration("motion.annotator=nlf").motion
    if pair:
        check_annotator("motion", section, ALL, runs=True)
    else:
        with pytest.raises(UserError, match="TORCH_INDEX"):
            check_annotator("motion", section, ALL, runs=True)


def test_a_file_with_another_sha256_is_rejected_before_any_work(tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setattr(rights, "find_spec", lambda name: name)
    file = tmp_path / "x.onnx"
    file.write_bytes(b"weights")
    settings = ["pose2d.annotator=rtmlib", f"pose2d.rtmlib.weights.path={file}"]
    check_annotator("pose2d", configuration(*settings).pose2d, ALL, runs=True)
    with pytest.raises(UserError, match="it is another file; restore it, or change pose2d.rtmlib.weights.sha256"):
        plan(*settings, f"pose2d.rtmlib.weights.sha256={'f0' * 32}").check_annotators()


def test_records_and_hashes_hold_the_content_and_never_the_path(tmp_path: Path) -> None:
    sections = []
    for name in ("here", "there"):
        file = tmp_path / name / "x.onnx"
        file.parent.mkdir()
        file.write_bytes(b"weights")
        config = configuration("pose2d.annotator=rtmlib", f"pose2d.rtmlib.weights.path={file}")
        sections.append(config.pin_files().pose2d)
        assert str(tmp_path) not in str(config.get_data_settings())
    digest = hashlib.sha256(b"weights").hexdigest()
    first, second = (build_annotator_record("pose2d", section) for section in sections)
    assert first == second and first["name"] == "pose2d.rtmlib"
    assert [(w["name"], w["sha256"]) for w in first["weights"]] == [("pose2d.rtmlib.weights", digest)]
    here, there = (get_annotator_settings("pose2d", section) for section in sections)
    assert here == there and digest in str(here)


def test_a_served_model_is_named() -> None:
    config = configuration("caption.annotator=endpoint", "caption.endpoint.model=Qwen/Qwen2.5-VL-7B-Instruct",
                           "caption.endpoint.licence=Apache-2.0")  # fmt: skip
    record = build_annotator_record("caption", config.caption)
    assert record["model"] == "Qwen/Qwen2.5-VL-7B-Instruct" and record["licence"] == "Apache-2.0"


def test_unselected_models_are_not_part_of_the_record(tmp_path: Path) -> None:
    config = configuration(f"caption.vlm.weights.path={tmp_path / 'nothing'}")
    assert get_own_weights("caption", config.caption) == {}
    assert build_annotator_record("caption", config.caption)["weights"] == []

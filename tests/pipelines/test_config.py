"""Presets and overrides: resolution, hashes, errors."""

from pathlib import Path

import pytest
import yaml

from humove.config.settings import list_presets
from humove.errors import UserError
from pipelines.config import PRESETS, load_config, make_config
from pipelines.engine.plan import Plan


def compute_config_hash(*overrides: str) -> str:
    return Plan.from_config(load_config("local", list(overrides))).config_hash


def test_every_preset_resolves() -> None:
    assert list_presets(PRESETS) == ["cluster", "local", "paper"]
    for name in list_presets(PRESETS):
        load_config(name, [])


def test_execution_is_not_hashed_and_all_else_is() -> None:
    assert compute_config_hash() == compute_config_hash(
        "execution.workers=7", "execution.executor=ray", "execution.scratch=/x"
    )
    changed = ["screen.min_brightness=0.1", "motion.landmark_fit.iterations=10", "splits.val=0.2", "score_only=true"]
    assert len({compute_config_hash(), *map(compute_config_hash, changed)}) == 1 + len(changed)


def test_later_presets_override_earlier_ones(tmp_path: Path) -> None:
    both = load_config("paper,cluster", [])
    assert both.track.annotator == "ultralytics" and both.execution.executor == "ray"
    (tmp_path / "mine.yaml").write_text("track: {min_person_height: 0.4}\n")
    mine = load_config(f"paper,{tmp_path / 'mine.yaml'}", ["pose2d.annotator=rtmlib"])
    assert mine.track.annotator == "ultralytics" and mine.track.min_person_height == 0.4
    assert mine.pose2d.annotator == "rtmlib" and mine.execution.executor == "local"
    (tmp_path / "a,b.yaml").write_text("track: {min_person_height: 0.3}\n")
    assert load_config(str(tmp_path / "a,b.yaml"), []).track.min_person_height == 0.3
    with pytest.raises(UserError, match="PRESET=papers: no such preset or file"):
        load_config("papers,cluster", [])


def test_settings_of_other_annotators_are_neither_hashed_nor_stored() -> None:
    plain = load_config("local", [])
    other = load_config("local", ["motion.nlf.num_aug=2", "aesthetic.laion.half=true"])
    assert plain.get_data_settings() == other.get_data_settings() and compute_config_hash() == compute_config_hash(
        "motion.nlf.num_aug=2"
    )
    assert "nlf" not in plain.get_data_settings()["motion"] and "landmark_fit" in plain.get_data_settings()["motion"]


def test_gpus_are_requested_by_annotators_that_can_use_one() -> None:
    builtin = load_config("cluster", [])
    assert builtin.get_gpu_shares() == {} and builtin.get_device("track") == "cpu"
    paper = load_config("paper,cluster", [])
    # Ultralytics, DWPose and LAION: CameraHMR's files are only read, and the captions' server has GPUs of its own.
    assert (
        paper.get_gpu_shares() == {"track": 0.1, "aesthetic": 0.05, "pose2d": 0.1}
        and paper.get_device("track") == "cuda"
    )
    assert paper.get_device("caption") == paper.get_device("motion") == "cpu" and "split" not in paper.get_gpu_shares()
    assert load_config("cluster", ["split.detector=transnetv2"]).get_gpu_shares() == {"split": 0.1}


@pytest.mark.parametrize("gpus", ["{track: 1.2}", "{track: 0}", "{split: 2}", "{crop: 0.1}"])
def test_invalid_gpu_shares_are_refused(gpus: str) -> None:
    with pytest.raises(UserError, match="execution.gpus"):
        load_config("local", [f"execution.gpus={gpus}"])


def test_off_is_a_string_in_every_switch(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("dedup: {near: off}\nscore_only: yes\n")
    read = load_config(str(tmp_path / "mine.yaml"), ["crop.mode=off", "split.transitions.mode=off"])
    assert (read.dedup.near, read.crop.mode, read.split.transitions.mode) == ("off", "off", "off")
    assert read.score_only is True
    with pytest.raises(UserError, match="trueish"):
        load_config("local", ["score_only=trueish"])


def test_printed_settings_are_a_valid_preset(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(load_config("local", ["dedup.near=off"]).model_dump(mode="json")))
    assert load_config(str(path), []) == load_config("local", ["dedup.near=off"])


@pytest.mark.parametrize(
    ("text", "message"),
    [("- a\n", "a mapping of sections"), ("a: [\n", "not YAML"), ("trakc: {}\n", "no setting 'trakc'")],
)
def test_a_broken_preset_is_a_one_line_error(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=message) as caught:
        load_config(str(path), [])
    assert "\n" not in str(caught.value)


def test_sections_by_former_names_are_read_with_one_warning(tmp_path: Path, capsys) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("picture: {places: 3, max_text_share: 0.1}\nmarks: {keep: good}\n")
    overrides = ["picture.max_text_share=0.2", " frame_quality.max_watermark_share=0.3", "marks.keep=not_bad"]
    config = load_config(str(path), overrides)
    frame_quality = config.frame_quality
    assert (frame_quality.places, frame_quality.max_text_share, frame_quality.max_watermark_share) == (3, 0.2, 0.3)
    assert config.labels.keep == "not_bad"
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("picture is now frame_quality; marks is now labels")
    load_config("local", ["frame_quality.places=3"])
    assert capsys.readouterr().err == ""
    assert load_config("local", ["picture.places=3"]).frame_quality.places == 3
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("picture is now frame_quality")


def test_a_data_set_with_former_names_is_read_without_a_warning(capsys) -> None:
    settings = {"picture": {"places": 3}, "marks": {"keep": "good"}}
    config = make_config(settings, ["frame_quality.max_text_share=0.2"])
    assert (config.frame_quality.places, config.frame_quality.max_text_share) == (3, 0.2)
    assert config.labels.keep == "good" and capsys.readouterr().err == ""
    assert settings == {"picture": {"places": 3}, "marks": {"keep": "good"}}


def test_a_value_is_not_a_section() -> None:
    with pytest.raises(UserError, match="near is a value, not a section"):
        load_config("local", ["dedup.near=off", "dedup.near.deep=1"])

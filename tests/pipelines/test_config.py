"""Presets and overrides: what is resolved, what is hashed, what is refused."""

from pathlib import Path

import pytest
import yaml

from humove.errors import UserError
from humove.settings import preset_names
from pipelines.config import PRESETS, load_config
from pipelines.engine.plan import Plan


def config_hash(*overrides: str) -> str:
    return Plan.of(load_config("local", list(overrides))).config_hash


def test_every_preset_resolves() -> None:
    assert preset_names(PRESETS) == ["cluster", "local", "paper"]
    for name in preset_names(PRESETS):
        load_config(name, [])


def test_where_the_work_is_done_is_not_hashed_and_all_else_is() -> None:
    assert config_hash() == config_hash("execution.workers=7", "execution.executor=ray", "execution.scratch=/x")
    changed = ["screen.min_brightness=0.1", "motion.landmark_fit.iterations=10", "splits.val=0.2", "score_only=true"]
    assert len({config_hash(), *map(config_hash, changed)}) == 1 + len(changed)


def test_presets_lie_on_top_of_each_other(tmp_path: Path) -> None:
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


def test_what_is_not_chosen_is_neither_hashed_nor_kept() -> None:
    plain = load_config("local", [])
    other = load_config("local", ["motion.nlf.num_aug=2", "aesthetic.laion.half=true"])
    assert plain.data_settings() == other.data_settings() and config_hash() == config_hash("motion.nlf.num_aug=2")
    assert "nlf" not in plain.data_settings()["motion"] and "landmark_fit" in plain.data_settings()["motion"]


def test_a_gpu_is_asked_for_by_annotators_that_can_use_one() -> None:
    builtin = load_config("cluster", [])
    assert builtin.gpu_shares() == {} and builtin.device("track") == "cpu"
    paper = load_config("paper,cluster", [])
    # Ultralytics, DWPose and LAION: CameraHMR's files are only read, and the captions' server has GPUs of its own.
    assert paper.gpu_shares() == {"track": 0.1, "aesthetic": 0.05, "pose2d": 0.1} and paper.device("track") == "cuda"
    assert paper.device("caption") == paper.device("motion") == "cpu" and "split" not in paper.gpu_shares()
    assert load_config("cluster", ["split.detector=transnetv2"]).gpu_shares() == {"split": 0.1}


@pytest.mark.parametrize("gpus", ["{track: 1.2}", "{track: 0}", "{split: 2}", "{crop: 0.1}"])
def test_shares_that_no_gpu_has_are_refused(gpus: str) -> None:
    with pytest.raises(UserError, match="execution.gpus"):
        load_config("local", [f"execution.gpus={gpus}"])


def test_off_is_a_word_in_every_switch(tmp_path: Path) -> None:
    (tmp_path / "mine.yaml").write_text("dedup: {near: off}\nscore_only: yes\n")
    read = load_config(str(tmp_path / "mine.yaml"), ["crop.mode=off", "split.transitions.mode=off"])
    assert (read.dedup.near, read.crop.mode, read.split.transitions.mode) == ("off", "off", "off")
    assert read.score_only is True
    with pytest.raises(UserError, match="trueish"):
        load_config("local", ["score_only=trueish"])


def test_a_yaml_of_ones_own_reads_what_config_prints(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(yaml.safe_dump(load_config("local", ["dedup.near=off"]).model_dump(mode="json")))
    assert load_config(str(path), []) == load_config("local", ["dedup.near=off"])


@pytest.mark.parametrize(
    ("text", "said"),
    [("- a\n", "a mapping of sections"), ("a: [\n", "not YAML"), ("trakc: {}\n", "no setting 'trakc'")],
)
def test_a_broken_preset_is_one_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=said) as caught:
        load_config(str(path), [])
    assert "\n" not in str(caught.value)


def test_a_value_is_no_section() -> None:
    with pytest.raises(UserError, match="near is a value, not a section"):
        load_config("local", ["dedup.near=off", "dedup.near.deep=1"])

"""Presets and overrides: what is resolved, what is hashed, what is refused."""

from pathlib import Path

import pytest
import yaml

from humove.errors import UserError
from humove.settings import preset_names
from pipelines.config import PRESETS, load_config
from pipelines.ledger import Ledger
from pipelines.plan import Plan


def config_hash(*overrides: str) -> str:
    return Plan.of(load_config("local", list(overrides)), Ledger(Path("nowhere"))).config_hash


def test_every_preset_resolves() -> None:
    assert preset_names(PRESETS) == ["cluster", "local"]
    for name in preset_names(PRESETS):
        load_config(name, [])


def test_where_the_work_is_done_is_not_hashed_and_all_else_is() -> None:
    assert config_hash() == config_hash("execution.workers=7", "execution.executor=ray", "execution.scratch=/x")
    changed = ["screen.min_brightness=0.1", "motion.landmark_fit.iterations=10", "splits.val=0.2", "score_only=true"]
    assert len({config_hash(), *map(config_hash, changed)}) == 1 + len(changed)


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

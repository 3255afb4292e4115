"""Presets, what may be set on top, and what is said of mistakes."""

from pathlib import Path

import pytest

from echomotion_model.train.config import PRESETS, config_text, load_train_config
from humove.errors import UserError
from humove.settings import preset_names


@pytest.mark.parametrize("name", ["tiny", "wan2.1-1.3b", "wan2.2-5b"])
def test_a_preset_resolves_and_its_text_gives_the_same_again(name: str, tmp_path: Path) -> None:
    config = load_train_config(name, [])
    (tmp_path / "config.yaml").write_text(config_text(config), encoding="utf-8")
    assert load_train_config(str(tmp_path / "config.yaml"), []) == config
    assert name in preset_names(PRESETS)


def test_the_presets_are_the_papers() -> None:
    small, large = load_train_config("wan2.1-1.3b", []), load_train_config("wan2.2-5b", [])
    assert (small.model.heads, small.model.head_dim, small.flow.video_shift) == (12, 128, 8.0)
    assert small.phases.motion.learning_rate == small.phases.paired.learning_rate == 8e-6
    assert (small.phases.motion.steps, small.phases.paired.steps) == (15_000, 12_000)
    assert small.optimizer.weight_decay == 1e-3
    assert (large.model.heads, large.model.dual_every, large.data.buckets.max_frames) == (24, 2, 121)
    assert all(size % 32 == 0 for shape in large.data.buckets.resolutions for size in shape)


def test_settings_go_on_top_of_the_preset_and_of_its_model() -> None:
    config = load_train_config("tiny", ["model.layers=2", "phases.paired.steps=7", "encoders.text_tokens=16"])
    assert (config.model.layers, config.phases.paired.steps, config.encoders.text_tokens) == (2, 7, 16)
    assert config.model.heads == load_train_config("tiny", []).model.heads


@pytest.mark.parametrize(
    ("preset", "settings", "said"),
    [
        ("tini", [], "presets are: tiny, wan2.1-1.3b, wan2.2-5b"),
        ("tiny", ["phases.paired.step=7"], "no setting 'phases.paired.step'; settings there: steps,"),
        ("tiny", ["phases.paired.steps"], "write section.key=value"),
        ("tiny", ["phases.paired.steps=-1"], "phases.paired.steps is -1"),
        ("tiny", ["model.preset=wan"], "model.preset is 'wan': choose one of"),
        ("tiny", ["data.buckets.max_frames=10"], "data.buckets is"),
        ("tiny", ["seed=3"], "no setting 'seed'"),
        ("tiny", ["lora.rank=4"], "phases.motion.train_shared is true, but with lora.rank"),
        ("wan2.2-5b", ["data.buckets.resolutions=[[1280,720]]"], "has 1280x720; a token of this model is 32x32 px"),
        ("wan2.1-1.3b", ["encoders.stride=16"], "has 720x544; a token of this model is 32x32 px"),
    ],
)
def test_a_mistake_is_one_line_that_says_what_would_be_right(preset: str, settings: list[str], said: str) -> None:
    with pytest.raises(UserError) as told:
        load_train_config(preset, settings)
    assert said in str(told.value) and "\n" not in str(told.value)

"""Presets, overrides and the errors of settings."""

from pathlib import Path

import pytest

from echomotion_model.train.config import PRESETS, format_config, load_train_config
from humove.config.settings import list_presets
from humove.errors import UserError


@pytest.mark.parametrize("name", ["tiny", "wan2.1-1.3b", "wan2.2-5b"])
def test_a_preset_resolves_and_its_text_gives_the_same_settings(name: str, tmp_path: Path) -> None:
    config = load_train_config(name, [])
    (tmp_path / "config.yaml").write_text(format_config(config), encoding="utf-8")
    assert load_train_config(str(tmp_path / "config.yaml"), []) == config
    assert name in list_presets(PRESETS)


def test_the_presets_have_the_papers_settings() -> None:
    small, large = load_train_config("wan2.1-1.3b", []), load_train_config("wan2.2-5b", [])
    assert (small.model.heads, small.model.head_dim, small.flow.video_shift) == (12, 128, 8.0)
    assert small.phases.motion.learning_rate == small.phases.paired.learning_rate == 8e-6
    assert (small.phases.motion.steps, small.phases.paired.steps) == (15_000, 12_000)
    assert small.optimizer.weight_decay == 1e-3
    assert (large.model.heads, large.model.dual_every, large.data.buckets.max_frames) == (24, 2, 121)
    assert all(size % 32 == 0 for shape in large.data.buckets.resolutions for size in shape)


def test_overrides_apply_to_the_preset_and_its_model() -> None:
    config = load_train_config("tiny", ["model.layers=2", "phases.paired.steps=7", "encoders.text_tokens=16"])
    assert (config.model.layers, config.phases.paired.steps, config.encoders.text_tokens) == (2, 7, 16)
    assert config.model.heads == load_train_config("tiny", []).model.heads


@pytest.mark.parametrize(
    ("preset", "settings", "message"),
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
def test_a_wrong_setting_is_one_line_that_says_what_is_right(preset: str, settings: list[str], message: str) -> None:
    with pytest.raises(UserError) as error:
        load_train_config(preset, settings)
    assert message in str(error.value) and "\n" not in str(error.value)


OLD_NAMES = [
    ("tasks.drop=0.1", "tasks.cfg_dropout=0.1"),
    ("tasks.drop_text=0.3", "tasks.text_dropout=0.3"),
    ("parallel.keep=projections", "parallel.activation_checkpointing=selective-projections"),
    ("parallel.keep=nothing", "parallel.activation_checkpointing=full"),
    ("parallel.keep=everything", "parallel.activation_checkpointing=none"),
    ("parallel.keep=auto", "parallel.activation_checkpointing=auto"),
    ("parallel={keep: attention}", "parallel={activation_checkpointing: selective-attention}"),
    ("parallel.sequence=2", "parallel.ulysses_degree=2"),
    ("validation.sampling.w1=3", "validation.sampling.text_guidance_scale=3"),
    ("validation.sampling.w2=4", "validation.sampling.condition_guidance_scale=4"),
]


@pytest.mark.parametrize(("old", "new"), OLD_NAMES)
def test_former_names_are_read_with_one_warning(old: str, new: str, capsys: pytest.CaptureFixture[str]) -> None:
    expected = load_train_config("tiny", [new])
    assert not capsys.readouterr().err
    assert load_train_config("tiny", [old]) == expected
    (line,) = capsys.readouterr().err.splitlines()
    assert "renamed settings" in line and " is now " in line


def test_a_former_config_is_read_and_a_runs_own_without_a_warning(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "config.yaml"
    expected = load_train_config("tiny", ["parallel.activation_checkpointing=selective-products"])
    text = format_config(expected).replace("activation_checkpointing: selective-products", "keep: products")
    for old, new in (
        ("drop_text:", "text_dropout:"),
        ("w1:", "text_guidance_scale:"),
        ("sequence:", "ulysses_degree:"),
    ):
        text = text.replace(new, old)
    assert "keep: products" in text and "drop_text: 0.85" in text and "w1: 1.0" in text and "sequence: 1" in text
    path.write_text(text, encoding="utf-8")
    assert load_train_config(str(path), []) == expected
    assert len(capsys.readouterr().err.splitlines()) == 1
    assert load_train_config(str(path), [], warn=False) == expected
    assert not capsys.readouterr().err


def test_a_later_preset_wins_under_a_former_name(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("tasks: {drop_text: 0.5}")
    assert load_train_config(f"tiny,{path}", []).tasks.text_dropout == 0.5

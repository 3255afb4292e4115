"""Gates and paths."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from humove.errors import UserError
from shards.report.gates import check_gates
from shards.report.paths import iterate_numbers, join_path, look_up, split_path

FIGURES = {"headline": {"samples": 12, "hours": None, "name": "x"}, "law": {"holds": True}, "rows": [{"a.b": 0.5}]}


def write_gates(folder: Path, text: str) -> Path:
    path = folder / "gates.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_a_line_for_each_figure_that_is_out_of_bounds(tmp_path: Path):
    broken = check_gates(
        FIGURES,
        write_gates(
            tmp_path,
            "headline.samples: {min: 13}\nheadline.hours: {max: 3}\nlaw.holds: {min: 1}\n"
            "rows.0.a\\.b: {min: 0.1, max: 0.4}\n",
        ),
    )
    assert broken == [
        "headline.samples is 12, below 13",
        "headline.hours is not known",
        "rows.0.a\\.b is 0.5, above 0.4",
    ]
    assert check_gates(FIGURES, write_gates(tmp_path, "headline.samples: {min: 12, max: 12}")) == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("headline.sample: {min: 1}", "no 'sample' in headline; it has samples, hours"),
        ("rows.7.x: {min: 1}", "no '7' in rows; it is a list of 1"),
        ("headline.name: {min: 1}", "not a number"),
        ("headline: {min: 1}", "not a number"),
        ("headline.samples: {least: 1}", "not a bound; write"),
        ("headline.samples: 3", "not a bound; write"),
        ("headline.samples: {}", "give min, max or both"),
        ("headline.samples: {min: 3, max: 2}", "min 3 is above max 2"),
        ("headline.samples: {min: .nan}", "finite"),
        ("[1]", "a mapping"),
        ("", "a mapping"),
        ("a: {", "not YAML"),
        ("!!python/object/apply:os.system ['true']", "not YAML"),
    ],
)
def test_a_mistake_in_the_gates_is_one_line(tmp_path: Path, text: str, message: str):
    with pytest.raises(UserError, match="gates.yaml") as error:
        check_gates(FIGURES, write_gates(tmp_path, text))
    assert message in str(error.value) and "\n" not in str(error.value)


def test_a_missing_file_of_gates(tmp_path: Path):
    with pytest.raises(UserError, match="cannot be read"):
        check_gates(FIGURES, tmp_path / "none.yaml")


@given(st.lists(st.text(max_size=8), min_size=1, max_size=5))
def test_paths_round_trip(steps: list[str]):
    assert split_path(join_path(steps)) == steps
    nested: object = 7
    for step in reversed(steps):
        nested = {step: nested}
    assert look_up(nested, join_path(steps)) == 7
    assert dict(iterate_numbers(nested)) == {join_path(steps): 7}


def test_a_reason_that_rejected_nothing_counts_as_none(tmp_path: Path):
    figures = {"funnel": {"quality": {"reasons": {"too_dark": 3}}}}
    text = "funnel.quality.reasons.low_motion_quality: {max: 10}\nfunnel.quality.reasons.too_dark: {max: 2}"
    assert check_gates(figures, write_gates(tmp_path, text)) == ["funnel.quality.reasons.too_dark is 3, above 2"]
    with pytest.raises(UserError, match="no 'too_odd'"):
        check_gates(figures, write_gates(tmp_path, "funnel.quality.reasons.too_odd: {max: 1}"))


def test_every_unknown_figure_is_named_and_the_broken_gates_beside_them(tmp_path: Path):
    text = "a: {min: 2}\nb: {min: 1}\nc: {max: 1}"
    with pytest.raises(UserError) as error:
        check_gates({"a": 1}, write_gates(tmp_path, text))
    first, second, third = str(error.value).splitlines()
    assert "b: no 'b'" in first and "c: no 'c'" in second and third == "gate: a is 1, below 2"

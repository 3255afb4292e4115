"""The data card."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import yaml

from shards.card.text import escape_markdown, render_card, write_card
from shards.reader import open_dataset


def test_front_matter_names_each_split_s_shards(built: Path):
    text = (built / "README.md").read_text()
    head = yaml.safe_load(text.split("---\n")[1])
    assert head["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": ["shards/train-000000.tar", "shards/train-000001.tar"]},
                {"split": "val", "path": ["shards/val-000000.tar"]},
            ],
        }
    ]
    assert head["size_categories"] == ["n<1K"]


def test_the_card_counts_the_set(built: Path):
    text = (built / "README.md").read_text()
    assert "4 clips, 3.0 seconds" in text
    assert "| train | 3 | 2 | 57 | 2.2 seconds |" in text
    assert "| probe | 4 | 3 | 1 | 0 |" in text
    assert "| probe | unreadable | 1 |" in text
    assert "| CC-BY-4.0 | 4 |" in text
    assert "Consent is recorded for 0 of 4 clips" in text
    assert "`betas` are zero" in text, "a proxy body must be stated"
    assert "left-right swaps" in text
    stages = [text.index(f"| {row} | ") for row in ("probe | 4", "split | 3", "assemble | 4")]
    assert stages == sorted(stages), "the funnel keeps the order of the stages"


def test_external_text_is_escaped(make: SimpleNamespace, tmp_path: Path):
    samples = make.samples()
    for sample in samples:
        sample.meta["rights"]["licence"] = "<script>|\n# [x](http://evil) `y`"
    make.dataset(tmp_path, samples, make.outcomes(samples))
    line = next(line for line in (tmp_path / "README.md").read_text().splitlines() if "script" in line)
    assert line == r"| \<script\>\| \# \[x\](http\://evil) \`y\` | 4 |"


@pytest.mark.parametrize(
    ("text", "shown"), [("a_b", r"a\_b"), ("a\n b", "a b"), ("&lt;", r"\&lt;"), ("plain 1.5", "plain 1.5")]
)
def test_escape(text: str, shown: str):
    assert escape_markdown(text) == shown


def test_writing_it_again_changes_nothing(damaged: Path):
    before = (damaged / "README.md").read_bytes()
    write_card(damaged)
    assert (damaged / "README.md").read_bytes() == before
    assert render_card(open_dataset(str(damaged))).encode() == before

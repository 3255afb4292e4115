"""Two builds compared."""

import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from humove.errors import UserError
from humove.types import Sample
from shards.report.diff import compare_datasets


def test_a_build_does_not_differ_from_itself(built: Path, tmp_path: Path):
    copy = Path(shutil.copytree(built, tmp_path / "copy"))
    found = compare_datasets(str(built), str(copy))
    assert not found
    assert found.format_lines() == [
        "samples: 0 added, 0 removed, 0 changed", "settings: 0 differ", "figures: 0 differ",
    ]  # fmt: skip


def test_the_same_samples_in_other_shards_have_not_changed(built: Path, make, samples: list[Sample], tmp_path: Path):
    moved = [replace(s, split="test") if s.split == "val" else s for s in samples]
    make.dataset(tmp_path / "b", moved, make.outcomes(moved))
    found = compare_datasets(str(built), str(tmp_path / "b"))
    assert (found.added, found.removed) == ((), ())
    assert found.changed == {samples[3].key: ("index.split",)}
    assert found.figures["splits.groups.val.samples"] == (1, 0)
    assert found.figures["splits.groups.test.samples"] == (0, 1)


def test_samples_added_removed_and_changed(built: Path, make, samples: list[Sample], tmp_path: Path):
    a, b, c, d = samples
    motion = replace(b.motion, transl=b.motion.transl + np.float32(0.5))
    meta = json.loads(json.dumps(c.meta))
    meta["captions"] |= {"full": "Another\u001b[31m text."}
    meta["scores"]["sharpness"] = 0.25
    new = make.sample("d" * 16, 0, split="train", start_frame=0)
    other = [replace(b, motion=motion), replace(c, meta=meta), d, new]
    make.dataset(tmp_path / "b", other, make.outcomes(samples))
    make.edit_doc(tmp_path / "b", lambda doc: doc["config"]["clips"].update(min_s=0.75))
    found = compare_datasets(str(built), str(tmp_path / "b"))
    assert (found.added, found.removed) == ((new.key,), (a.key,))
    assert found.changed == {
        b.key: ("motion.npz",),
        c.key: ("txt", "json.captions", "json.scores", "index.caption", "index.sharpness"),
    }
    assert found.settings == {"clips.min_s": (0.5, 0.75)}
    lines = found.format_lines()
    assert lines[0] == "samples: 1 added, 1 removed, 2 changed"
    assert f"  + {new.key}" in lines and f"  - {a.key}" in lines and f"  ~ {b.key}: motion.npz" in lines
    assert "  clips.min_s: 0.5 -> 0.75" in lines
    assert all(line.isprintable() for line in lines)
    assert len(found.format_lines(most=0)) < len(lines)


def test_no_data_set(built: Path, tmp_path: Path):
    with pytest.raises(UserError, match="holds no dataset.json"):
        compare_datasets(str(built), str(tmp_path))

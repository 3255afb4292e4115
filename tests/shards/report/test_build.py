"""The report's files: written atomically, for sets of every size."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from humove.errors import UserError
from humove.types import Sample
from shards.report.build import build_report

ROOT = Path(__file__).resolve().parents[3]


def test_it_is_written_into_the_data_set_or_the_given_folder(damaged: Path, tmp_path: Path):
    lines: list[str] = []
    assert build_report(str(damaged), log=lines.append) == damaged / "report" / "index.html"
    assert lines[0] == "reading the tables" and "images" in lines[-1]
    page = build_report(str(damaged), tmp_path / "elsewhere")
    assert page == tmp_path / "elsewhere" / "index.html"
    assert page.read_bytes() == (damaged / "report" / "index.html").read_bytes(), "the same set, the same report"
    assert sorted(p.name for p in page.parent.iterdir()) == ["index.html", "report.json"]


def test_a_failure_leaves_the_old_report(damaged: Path, monkeypatch: pytest.MonkeyPatch):
    page = build_report(str(damaged))
    before = {path.name: path.read_bytes() for path in page.parent.iterdir()}

    def interrupt(*args: object) -> str:
        raise KeyboardInterrupt

    monkeypatch.setattr("shards.report.build.render_page", interrupt)
    with pytest.raises(KeyboardInterrupt):
        build_report(str(damaged))
    assert {path.name: path.read_bytes() for path in page.parent.iterdir()} == before


def test_a_kill_leaves_the_old_report(damaged: Path):
    page = build_report(str(damaged))
    before = {path.name: path.read_bytes() for path in page.parent.iterdir()}
    code = (
        "import sys, time; from shards.report import build\n"
        "real = build.render_page\n"
        "def slow(*a): print('rendering', flush=True); time.sleep(60); return real(*a)\n"
        "build.render_page = slow; build.build_report(sys.argv[1])"
    )
    child = subprocess.Popen([sys.executable, "-c", code, str(damaged)], cwd=ROOT, stdout=subprocess.PIPE)
    assert child.stdout.readline() == b"rendering\n"
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    assert {path.name: path.read_bytes() for path in page.parent.iterdir() if "tmp" not in path.name} == before


def test_images_of_dropped_clips_are_requested(make, samples: list[Sample], tmp_path: Path):
    rows = make.outcomes(samples)
    kept = next(row for row in rows if row.clip_id == samples[1].key)
    gone = {"outcome": "rejected", "reason": "blurry", "detail": "sharpness 0.1 is below 0.5", "stage": "assemble"}
    rows = [row for row in rows if row is not kept]
    rows.append(kept.__class__(**{f: getattr(kept, f) for f in kept.__slots__} | gone))
    make.dataset(tmp_path / "set", [s for s in samples if s is not samples[1]], rows)
    requested: list[str] = []

    def read_image(clip_id: str) -> np.ndarray:
        requested.append(clip_id)
        return np.full((400, 200, 3), 128, np.uint8)

    with_image = build_report(str(tmp_path / "set"), rejected_image=read_image).read_text()
    without = build_report(str(tmp_path / "set")).read_text()
    assert requested == [samples[1].key]
    assert with_image.count("<img") == without.count("<img") + 1 and without.count("no image") == 1
    assert "sharpness 0.1 is below 0.5" in without


def test_no_data_set(tmp_path: Path):
    with pytest.raises(UserError, match="holds no dataset.json"):
        build_report(str(tmp_path))


def test_two_hundred_thousand_rows_take_less_than_a_minute_and_two_gibibytes(large: Path, tmp_path: Path):
    code = (
        "import sys, time; from pathlib import Path; from shards.report.build import build_report\n"
        "build_report(sys.argv[1], Path(sys.argv[2]))\n"
        # Not getrusage, whose peak a new program inherits from the one that started it.
        "print(time.process_time(), Path('/proc/self/status').read_text().split('VmHWM:')[1].split()[0])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, str(large), str(tmp_path / "out")], cwd=ROOT, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    cpu_s, peak_kib = map(float, done.stdout.split())  # the clock on the wall would measure the machine's load
    found = json.loads((tmp_path / "out" / "report.json").read_text())
    assert found["headline"]["samples"] == 200_000 and found["headline"]["clips"] == 300_000
    assert found["funnel"]["law"]["holds"]
    assert found["training"]["used"] + found["training"]["left_out_count"] == 200_000
    assert found["shards"]["outliers"] == 1
    assert [row["outliers"] for row in found["shards"]["rows"] if row["outliers"]] == [["jitter"]]
    assert cpu_s < 60 and peak_kib < 2 * 1024**2, f"{cpu_s:.0f} s, {peak_kib / 1024**2:.2f} GiB"
    assert (tmp_path / "out" / "index.html").stat().st_size < 4e6

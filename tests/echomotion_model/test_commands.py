"""Each command by its own name: what it makes and says, and how a mistake of the user's ends."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from echomotion_model import bench
from humove.cli import training
from shards.motion_only.dataset import open_motion_only
from shards.npz import decode_motion_npz
from shards.reader import open_dataset
from tests.echomotion_model.importing.sample_files import write_amass

Humove = Callable[..., object]


def refused(done: object, message: str) -> None:
    assert done.code == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1, done
    assert done.stdout == ""


def test_motion_is_imported_and_trains_beside_a_data_set(
    humove: Humove, trained: Path, clips: Path, tmp_path: Path
) -> None:
    write_amass(tmp_path / "amass" / "KIT" / "3" / "walk_poses.npz")
    (tmp_path / "amass" / "KIT" / "3" / "cut_poses.npz").write_bytes(b"no npz")
    motions, run = tmp_path / "motions", tmp_path / "run"
    imported = humove("import-motion", tmp_path / "amass", motions, "--licence", "mine")
    assert imported.code == 0 and "2 of 2 files" in imported.stderr
    assert "1 samples" in imported.stdout and "1 left out: unreadable" in imported.stdout
    (sample,) = open_motion_only(str(motions)).iterate_samples()
    assert sample.meta.rights.licence == "mine"

    arguments = ["train", clips, run, "--preset", trained / "config.yaml", "--motion-only", motions]
    for phase in ("motion", "paired"):
        arguments += ["--set", f"phases.{phase}.steps=1"]
    planned = humove(*arguments, "--dry-run")
    assert planned.code == 0 and not run.exists()
    assert "6 of 6 samples train" in planned.stdout and "phase 1: motion of 7 clips, 1 steps" in planned.stdout
    done = humove(*arguments)
    assert done.code == 0 and done.stdout == f"{run}: 2 steps done; view it with humove view {run}\n"
    assert "phase 1: steps 1 to 1" in done.stderr and "step 2 of 2: loss" in done.stderr
    assert (run / "checkpoints" / "step-000002" / "state.json").is_file()
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    assert [json.loads(line)["phase"] for line in lines] == [1, 2]

    refused(humove("import-motion", tmp_path / "none", tmp_path / "out"), "none")
    refused(humove("train", clips, clips), "is a data set; give OUT a folder of its own")
    refused(humove("train", clips, tmp_path / "out", "--preset", "tini"), "presets are: tiny")
    refused(humove("train", clips, tmp_path / "out", "--motion-only", tmp_path / "none"), "none")
    assert not (tmp_path / "out").exists()


def test_latents_are_made_once(humove: Humove, trained: Path, clips: Path, tmp_path: Path) -> None:
    arguments = ("latents", clips, "--preset", trained / "config.yaml", "--out", tmp_path / "latents", "--workers", 1)
    first, again = humove(*arguments), humove(*arguments)
    shards = open_dataset(str(clips)).doc.shards
    assert first.code == again.code == 0
    made = {path.name for path in (tmp_path / "latents").iterdir()}
    assert made >= {shard.name for shard in shards} | {shard.name.replace(".tar", ".json") for shard in shards}
    assert f"0 shards up to date, {len(shards)} missing, 0 stale" in first.stdout and "fault" not in first.stdout
    assert f"{len(shards)} shards up to date, 0 missing, 0 stale" in again.stdout
    refused(humove("latents", tmp_path), "holds neither dataset.json nor motion_dataset.json")


def test_generate_writes_video_and_motion(humove: Humove, trained: Path, tmp_path: Path) -> None:
    out = tmp_path / "made"
    asked = ("generate", trained, "joint", "--out", out, "--text", "a person waves", "--steps", 1)
    assert humove(*asked).stdout.split() == [str(out / name) for name in ("video.mp4", "motion.npz", "beside.mp4")]
    first, kept = decode_motion_npz((out / "motion.npz").read_bytes()), (out / "video.mp4").read_bytes()
    assert len(first.transl) == 9
    assert humove(*asked, "--seed", 1).code == 0 and (out / "video.mp4").read_bytes() != kept
    assert humove(*asked, "--no-ema", "--checkpoint", 6).code == 0
    refused(humove(*asked[:3], "--out", tmp_path / "out"), "joint needs a text")
    assert not (tmp_path / "out").exists()


def test_bench_model_prints_a_row_for_each_step(humove: Humove, monkeypatch: pytest.MonkeyPatch) -> None:
    small = partial(bench.bench_model, latents_FHW=(3, 4, 6), text_tokens=8, warmup=0)
    monkeypatch.setattr(bench, "bench_model", small)
    done = humove("bench-model", "tiny", "--steps", 1)
    rows = done.stdout.splitlines()
    assert done.code == 0 and all(row.endswith("MFU") for row in rows)
    assert [row[:24].rstrip() for row in rows] == [
        "joint",
        "motion alone",
        "diffusers, default",
        "diffusers, tuned",
    ]
    refused(humove("bench-model", "large"), "no model preset 'large'")


def test_evaluate_model_needs_a_data_set(humove: Humove, trained: Path, tmp_path: Path) -> None:
    refused(humove("evaluate-model", trained, tmp_path), "holds no dataset.json")


def test_a_run_prints_the_time_left(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    now = iter((0.0, 5.0, 5.0))
    monkeypatch.setattr(training.time, "monotonic", lambda: next(now))
    progress = training._TrainingProgress(100)
    progress(10, {"loss": 1.0, "step_seconds": 0.5})
    progress(20, {"loss": 0.5, "step_seconds": 0.5})
    progress(20, {"validation/motion_to_video_psnr_db": 21.0})
    first, second, third = capsys.readouterr().err.splitlines()
    assert first == "step 10 of 100: loss 1, step_seconds 0.5"
    assert second == "step 20 of 100: loss 0.5, step_seconds 0.5, about 40 s left"
    assert third == "step 20: motion_to_video_psnr_db 21"

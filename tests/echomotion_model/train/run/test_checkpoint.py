"""Checkpoints are complete or absent."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from echomotion_model.train.run.checkpoint import (
    RunState,
    check_model,
    check_settings,
    list_checkpoints,
    load_tensors,
    read_state,
    save_checkpoint,
)  # fmt: skip
from echomotion_model.train.run.dist_context import SingleProcess
from humove.errors import UserError


def make_state(step: int) -> RunState:
    return RunState(
        step=step,
        phase="paired",
        phase_step=step,
        data={"epoch": 1},
        model={"heads": 4},
        lora={},
        settings={"ema.decay": 0.0, "encoders.video": "dct"},
        files={},
        ema_updates=step,
    )


def make_tensors(value: float = 1.0) -> dict[str, torch.Tensor]:
    return {
        "model.a": torch.full((5, 3), value),
        "model.half": torch.full((4,), value, dtype=torch.bfloat16),
        "optimizer.a.step": torch.tensor(value),
    }


def test_tensors_round_trip_and_only_the_last_checkpoints_are_kept(tmp_path: Path) -> None:
    for step in (1, 20, 300):
        save_checkpoint(tmp_path, make_state(step), make_tensors(step / 7), 2, SingleProcess())
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000020", "step-000300"]
    last = list_checkpoints(tmp_path)[-1]
    found = {name: torch.zeros_like(tensor) for name, tensor in make_tensors().items()}
    load_tensors(last, found)
    assert all(torch.equal(found[name], tensor) for name, tensor in make_tensors(300 / 7).items())
    assert read_state(last) == make_state(300)
    assert not any("pickle" in path.name or path.suffix not in (".json", ".safetensors") for path in last.iterdir())


def test_a_killed_save_leaves_no_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, make_state(1), make_tensors(), 2, SingleProcess())
    half = tmp_path / "checkpoints" / ".step-000002.tmp"
    half.mkdir()
    (half / "shard-00001-model-00001-of-00001.safetensors").write_bytes(b"half")
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000001"]
    save_checkpoint(tmp_path, make_state(2), make_tensors(), 2, SingleProcess())
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000001", "step-000002"] and not half.exists()


FULL = """
import resource, signal, sys, torch
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_checkpoint import make_state
from echomotion_model.train.run.checkpoint import save_checkpoint
from echomotion_model.train.run.dist_context import SingleProcess
from humove.errors import UserError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_checkpoint(Path({run!r}), make_state(2), {{"model.a": torch.zeros(1_000_000)}}, 2, SingleProcess())
except UserError as error:
    print(error)
"""


def test_a_full_disk_is_one_line_and_the_last_checkpoint_remains(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, make_state(1), make_tensors(), 2, SingleProcess())
    code = FULL.format(tests=str(Path(__file__).parent), run=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "step-000002: File too large; step-000001 is the last checkpoint: free some space" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]
    load_tensors(list_checkpoints(tmp_path)[-1], make_tensors(0.0))


def test_a_killed_removal_leaves_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, make_state(step), make_tensors(), 2, SingleProcess())

    def killed(folder: Path, **_: object) -> None:
        if "step-000001" in str(folder):
            raise KeyboardInterrupt

    monkeypatch.setattr("echomotion_model.train.run.checkpoint.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, make_state(3), make_tensors(), 2, SingleProcess())
    assert [path.name for path in list_checkpoints(tmp_path)] == ["step-000002", "step-000003"]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, make_state(1), make_tensors(), 2, SingleProcess())
    shard = next(path.glob("*.safetensors"))
    whole = shard.read_bytes()
    for raw in (whole[: len(whole) // 2], b"nothing", b""):
        shard.write_bytes(raw)
        with pytest.raises(UserError, match="step-000001.*remove this folder") as error:
            load_tensors(path, make_tensors(0.0))
        assert "\n" not in str(error.value)
    (path / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="remove step-000001 to resume from an older checkpoint"):
        read_state(path)


def test_tensors_of_another_shape_or_name_are_errors(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, make_state(1), make_tensors(), 2, SingleProcess())
    with pytest.raises(UserError, match="Size mismatch"):
        load_tensors(path, {"model.a": torch.zeros(4, 3)})
    with pytest.raises(UserError, match="Missing key"):
        load_tensors(path, {"model.b": torch.zeros(5, 3)})


def test_a_checkpoint_of_another_model_names_the_setting(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, make_state(1), make_tensors(), 2, SingleProcess())
    check_model(path, make_state(1), {"heads": 4}, {})
    with pytest.raises(UserError, match="model.heads is 4 there and 12 here"):
        check_model(path, make_state(1), {"heads": 12}, {})


def test_a_checkpoint_of_other_settings_names_the_setting(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, make_state(1), make_tensors(), 2, SingleProcess())
    check_settings(path, make_state(1), make_state(1).settings)
    with pytest.raises(UserError, match="ema.decay is 0.0 there and 0.9 here"):
        check_settings(path, make_state(1), {"ema.decay": 0.9, "encoders.video": "dct"})
    with pytest.raises(UserError, match="encoders.video is dct there and vae here"):
        check_settings(path, make_state(1), {"ema.decay": 0.0, "encoders.video": "vae"})


def test_a_checkpoint_of_another_version_is_an_error(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, make_state(1), make_tensors(), 2, SingleProcess())
    (path / "state.json").write_text('{"format": 1}', encoding="utf-8")
    with pytest.raises(UserError, match="step-000001 is of another version of humove; use that version"):
        read_state(path)


def test_large_tensors_are_spread_over_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("echomotion_model.train.run.checkpoint._FILE_BYTES", 64)
    path = save_checkpoint(tmp_path, make_state(1), make_tensors(3.0), 2, SingleProcess())
    assert len(list(path.glob("*.safetensors"))) == 2
    found = make_tensors(0.0)
    load_tensors(path, found)
    assert torch.equal(found["model.a"], make_tensors(3.0)["model.a"])
    assert json.loads((path / "state.json").read_text(encoding="utf-8"))["step"] == 1

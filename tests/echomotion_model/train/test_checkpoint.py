"""Checkpoints that are whole or are not there."""

import json
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from echomotion_model.train.checkpoint import (
    RunState,
    check_model,
    check_settings,
    checkpoints,
    load_tensors,
    read_state,
    save_checkpoint,
)  # fmt: skip
from echomotion_model.train.world import OneProcess
from humove.errors import UserError


def state(step: int) -> RunState:
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


def tensors(value: float = 1.0) -> dict[str, torch.Tensor]:
    return {
        "model.a": torch.full((5, 3), value),
        "model.half": torch.full((4,), value, dtype=torch.bfloat16),
        "optimizer.a.step": torch.tensor(value),
    }


def test_what_is_saved_comes_back_bit_for_bit_and_only_the_last_are_kept(tmp_path: Path) -> None:
    for step in (1, 20, 300):
        save_checkpoint(tmp_path, state(step), tensors(step / 7), 2, OneProcess())
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000020", "step-000300"]
    last = checkpoints(tmp_path)[-1]
    found = {name: torch.zeros_like(tensor) for name, tensor in tensors().items()}
    load_tensors(last, found)
    assert all(torch.equal(found[name], tensor) for name, tensor in tensors(300 / 7).items())
    assert read_state(last) == state(300)
    assert not any("pickle" in path.name or path.suffix not in (".json", ".safetensors") for path in last.iterdir())


def test_a_save_that_was_killed_leaves_no_checkpoint(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state(1), tensors(), 2, OneProcess())
    half = tmp_path / "checkpoints" / ".step-000002.tmp"
    half.mkdir()
    (half / "shard-00001-model-00001-of-00001.safetensors").write_bytes(b"half")
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000001"]
    save_checkpoint(tmp_path, state(2), tensors(), 2, OneProcess())
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000001", "step-000002"] and not half.exists()


FULL = """
import resource, signal, sys, torch
from pathlib import Path
sys.path.insert(0, {tests!r})
from test_checkpoint import state
from echomotion_model.train.checkpoint import save_checkpoint
from echomotion_model.train.world import OneProcess
from humove.errors import UserError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    save_checkpoint(Path({run!r}), state(2), {{"model.a": torch.zeros(1_000_000)}}, 2, OneProcess())
except UserError as error:
    print(error)
"""


def test_a_file_that_cannot_grow_is_one_line_and_the_last_checkpoint_stands(tmp_path: Path) -> None:
    save_checkpoint(tmp_path, state(1), tensors(), 2, OneProcess())
    code = FULL.format(tests=str(Path(__file__).parent), run=str(tmp_path))
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "step-000002: File too large; step-000001 stands: make room there" in done.stdout
    assert len(done.stdout.splitlines()) == 1
    assert [path.name for path in (tmp_path / "checkpoints").iterdir()] == ["step-000001"]
    load_tensors(checkpoints(tmp_path)[-1], tensors(0.0))


def test_a_removal_that_was_killed_leaves_no_checkpoint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for step in (1, 2):
        save_checkpoint(tmp_path, state(step), tensors(), 2, OneProcess())

    def killed(folder: Path, **_: object) -> None:
        if "step-000001" in str(folder):
            raise KeyboardInterrupt

    monkeypatch.setattr("echomotion_model.train.checkpoint.shutil.rmtree", killed)
    with pytest.raises(KeyboardInterrupt):
        save_checkpoint(tmp_path, state(3), tensors(), 2, OneProcess())
    assert [path.name for path in checkpoints(tmp_path)] == ["step-000002", "step-000003"]


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, state(1), tensors(), 2, OneProcess())
    shard = next(path.glob("*.safetensors"))
    whole = shard.read_bytes()
    for raw in (whole[: len(whole) // 2], b"nothing", b""):
        shard.write_bytes(raw)
        with pytest.raises(UserError, match="step-000001.*remove this folder") as told:
            load_tensors(path, tensors(0.0))
        assert "\n" not in str(told.value)
    (path / "state.json").write_text("{", encoding="utf-8")
    with pytest.raises(UserError, match="remove step-000001 to go on from an older checkpoint"):
        read_state(path)


def test_tensors_of_another_shape_or_name_are_told_of(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, state(1), tensors(), 2, OneProcess())
    with pytest.raises(UserError, match="Size mismatch"):
        load_tensors(path, {"model.a": torch.zeros(4, 3)})
    with pytest.raises(UserError, match="Missing key"):
        load_tensors(path, {"model.b": torch.zeros(5, 3)})


def test_a_checkpoint_of_another_model_names_the_setting(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, state(1), tensors(), 2, OneProcess())
    check_model(path, state(1), {"heads": 4}, {})
    with pytest.raises(UserError, match="model.heads is 4 there and 12 here"):
        check_model(path, state(1), {"heads": 12}, {})


def test_a_checkpoint_of_other_settings_names_the_setting(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, state(1), tensors(), 2, OneProcess())
    check_settings(path, state(1), state(1).settings)
    with pytest.raises(UserError, match="ema.decay is 0.0 there and 0.9 here"):
        check_settings(path, state(1), {"ema.decay": 0.9, "encoders.video": "dct"})
    with pytest.raises(UserError, match="encoders.video is dct there and vae here"):
        check_settings(path, state(1), {"ema.decay": 0.0, "encoders.video": "vae"})


def test_a_checkpoint_of_another_version_is_not_to_be_removed(tmp_path: Path) -> None:
    path = save_checkpoint(tmp_path, state(1), tensors(), 2, OneProcess())
    (path / "state.json").write_text('{"format": 1}', encoding="utf-8")
    with pytest.raises(UserError, match="step-000001 is of another version of humove; use that version"):
        read_state(path)


def test_large_tensors_are_spread_over_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("echomotion_model.train.checkpoint._FILE_BYTES", 64)
    path = save_checkpoint(tmp_path, state(1), tensors(3.0), 2, OneProcess())
    assert len(list(path.glob("*.safetensors"))) == 2
    found = tensors(0.0)
    load_tensors(path, found)
    assert torch.equal(found["model.a"], tensors(3.0)["model.a"])
    assert json.loads((path / "state.json").read_text(encoding="utf-8"))["step"] == 1

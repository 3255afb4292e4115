"""`humove export`: what a run has learned, as files; all of it comes back, and diffusers reads its part."""

import errno
from pathlib import Path

import pytest
import torch
from diffusers import WanTransformer3DModel

from echomotion_model.generation.sampling_run import SamplingRun, open_sampling_run
from echomotion_model.model import export as exporting
from echomotion_model.model.export import load_export
from echomotion_model.train.config import load_train_config
from echomotion_model.train.loop import train

VIDEO = torch.randn(1, 192, 3, 6, 12, generator=torch.Generator().manual_seed(0))
MOTION = torch.randn(1, 9, 235, generator=torch.Generator().manual_seed(1))
TIME = torch.full((1,), 500.0)


@pytest.fixture(scope="module")
def adapted(trained: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of adapters, with an average; read only."""
    settings = [
        "lora.rank=2",
        "phases.motion.train_shared=false",
        "phases.motion.steps=2",
        "phases.paired.steps=2",
        "phases.paired.learning_rate=1.0e-2",
    ]
    out = tmp_path_factory.mktemp("adapted") / "run"
    train(load_train_config(str(trained / "config.yaml"), settings), str(clips), out)
    return out


@pytest.fixture(scope="module")
def plain(trained: Path, clips: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run without adapters or an average, of phase 1 alone; read only."""
    settings = ["ema.decay=0", "phases.motion.steps=2", "phases.paired.steps=0"]
    out = tmp_path_factory.mktemp("plain") / "run"
    train(load_train_config(str(trained / "config.yaml"), settings), str(clips), out)
    return out


def answers(model: torch.nn.Module, run: SamplingRun) -> list[torch.Tensor]:
    with torch.no_grad():
        return list(
            model(VIDEO[:, : run.config.model.channels], MOTION, run.null_LE[None], TIME, TIME, torch.zeros(1).long())
        )


@pytest.mark.parametrize(
    ("name", "arguments", "message"),
    [
        ("adapted", [], "the averaged weights of step-000004"),
        ("adapted", ["--no-ema", "--checkpoint", "4"], "the last weights of step-000004"),
        ("plain", [], "the last weights of step-000002"),
        ("trained", ["--checkpoint", "6"], "the averaged weights of step-000006"),
    ],
)
def test_an_export_gives_the_velocities_of_its_run(
    request: pytest.FixtureRequest, humove, tmp_path: Path, name: str, arguments: list[str], message: str
) -> None:
    run, out = request.getfixturevalue(name), tmp_path / "exported"
    done = humove("export", run, out, *arguments)
    assert done.code == 0 and done.stdout == f"{out}: {message}\n"
    assert ("of phase 1" in done.stderr) == (name == "plain")
    opened = open_sampling_run(
        run, checkpoint="6" if "6" in arguments else None, use_ema="--no-ema" not in arguments, device="cpu"
    )
    model, normalizer = load_export(out)
    kept = opened.model.state_dict()
    assert all(torch.equal(weights, kept[name]) for name, weights in model.state_dict().items())
    for ours, theirs in zip(answers(model, opened), answers(opened.model, opened), strict=True):
        torch.testing.assert_close(ours, theirs, atol=1e-6, rtol=1e-5)
    assert torch.equal(normalizer.mean_F, opened.normalizer.mean_F)
    wan = WanTransformer3DModel.from_pretrained(out, subfolder="transformer")
    video, text = VIDEO[:, : opened.config.model.channels], opened.null_LE[None]
    with torch.no_grad():
        alone, _ = opened.model(video, None, text, TIME, None)
        torch.testing.assert_close(wan(video, TIME, text).sample, alone, atol=1e-6, rtol=1e-5)


def test_averaged_and_last_weights_differ(humove, adapted: Path, tmp_path: Path) -> None:
    humove("export", adapted, tmp_path / "average")
    humove("export", adapted, tmp_path / "last", "--no-ema")
    (average, _), (last, _) = load_export(tmp_path / "average"), load_export(tmp_path / "last")
    value = "blocks.0.motion.attn1.to_v.weight"  # frozen, but for its adapter
    assert not torch.equal(average.state_dict()[value], last.state_dict()[value])


def test_mistakes_give_a_one_line_error(humove, trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "file").write_text("")
    for arguments, message in (
        ((trained, tmp_path / "full"), "already exists; give a new folder"),
        ((tmp_path / "none", tmp_path / "out"), "holds no config.yaml"),
        ((trained, tmp_path / "out", "--checkpoint", "7"), "it has step-000006, step-000012"),
    ):
        done = humove("export", *arguments)
        assert done.code == 2 and message in done.stderr and len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["full"]

    def no_room(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(exporting, "save_file", no_room)
    done = humove("export", trained, tmp_path / "out")
    assert done.code == 5 and "No space left on device" in done.stderr and len(done.stderr.splitlines()) == 1
    assert [path.name for path in tmp_path.iterdir()] == ["full"]

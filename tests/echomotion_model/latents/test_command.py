"""`humove latents`: what its options make of the plan and of the stage."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from echomotion_model.latents.plan import ShardJob
from echomotion_model.latents.stage import EncodeShard
from humove.cli import app
from humove.errors import UserError
from humove.stage import Emit
from pipelines.executors import local
from pipelines.work import Done, Work
from tests.echomotion_model.data.sets import SHAPES, make_sample, write_set


class Seen:
    """An executor that does nothing but remember."""

    def __init__(self) -> None:
        self.stage: EncodeShard | None = None
        self.jobs: list[ShardJob] = []

    def gpus(self) -> float:
        return 1.0

    def map(self, stage: EncodeShard, works: Sequence[Work]) -> Iterator[Done]:
        self.stage, self.jobs = stage, [work.payload for work in works]
        return (Done(work=work, outcome=Emit(outputs=())) for work in works)

    def close(self) -> None: ...


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set", [make_sample(0, "train", SHAPES[0])])


def run(dataset: Path, *options: str) -> None:
    app(["latents", str(dataset), *options], standalone_mode=False)


def seen(monkeypatch: pytest.MonkeyPatch, dataset: Path, *options: str) -> Seen:
    found = Seen()
    monkeypatch.setattr("pipelines.build.make_executor", lambda config: found)
    run(dataset, *options)
    return found


def test_it_uses_the_cpu_and_the_presets_windows_unless_told(monkeypatch: pytest.MonkeyPatch, dataset: Path) -> None:
    found = seen(monkeypatch, dataset)
    (job,) = found.jobs
    assert (found.stage.resources.gpus, found.stage._device) == (0, "cpu")
    assert (job.made_from.settings.windows, job.made_from.settings.dtype) == (2, "float16")
    assert job.made_from.encoders.video.name == "lapped-dct"


def test_workers_take_a_share_of_a_gpu(monkeypatch: pytest.MonkeyPatch, dataset: Path) -> None:
    found = seen(monkeypatch, dataset, "--gpus", "0.5", "--dtype", "bfloat16", "--windows", "3")
    (job,) = found.jobs
    assert (found.stage.resources.gpus, found.stage._device) == (0.5, "cuda")
    assert (job.made_from.settings.windows, job.made_from.settings.dtype) == (3, "bfloat16")


def test_without_windows_in_the_preset_there_is_one(monkeypatch: pytest.MonkeyPatch, dataset: Path) -> None:
    (job,) = seen(monkeypatch, dataset, "--set", "encoders.windows=0").jobs
    assert job.made_from.settings.windows == 1


def test_no_gpu_is_one_line_before_any_work(monkeypatch: pytest.MonkeyPatch, dataset: Path) -> None:
    monkeypatch.setattr(local, "gpus_here", lambda: 0)
    with pytest.raises(UserError, match="^.*this machine has none that torch can use: .*--gpus 0.*$"):
        run(dataset, "--gpus", "1")
    assert not (dataset / "latents").exists()


@pytest.mark.parametrize(
    ("options", "said"), [(("--dtype", "int8"), "dtype is 'int8'"), (("--windows", "0"), "windows is 0")]
)
def test_a_mistake_is_one_line(dataset: Path, options: tuple[str, ...], said: str) -> None:
    with pytest.raises(UserError, match=f"^configuration: {said}"):
        run(dataset, *options)

"""`humove latents`: the effect of its options on the plan and the stage."""

from pathlib import Path

import pytest

from echomotion_model.latents.plan import ShardJob
from echomotion_model.latents.stage import EncodeShard
from echomotion_model.train.config import load_train_config
from echomotion_model.train.dry_run import dry_run
from humove.cli import app
from humove.errors import UserError
from humove.storage import open_store
from pipelines.engine.executors import local_executor
from pipelines.engine.executors.task import Task, TaskResult
from tests.echomotion_model.data.sets import SHAPES, make_sample, write_set
from tests.s3_server import S3Server
from tests.shards.parts import upload


class Recorder:
    """An executor that only records tasks."""

    def __init__(self) -> None:
        self.stage: EncodeShard | None = None
        self.jobs: list[ShardJob] = []
        self.done: list[TaskResult] = []

    def count_slots(self) -> int:
        return 1

    def submit(self, task: Task) -> None:
        self.stage = task.stage
        self.jobs.append(task.payload)
        self.done.append(TaskResult(task=task, result=None))

    def wait(self, timeout_s: float | None = None) -> list[TaskResult]:
        done, self.done = self.done, []
        return done

    def close(self) -> None: ...


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    return write_set(tmp_path / "set", [make_sample(0, "train", SHAPES[0])])


def run_command(dataset: Path, *options: str) -> None:
    app(["latents", str(dataset), *options], standalone_mode=False)


def record(monkeypatch: pytest.MonkeyPatch, dataset: Path, *options: str) -> Recorder:
    found = Recorder()
    monkeypatch.setattr("pipelines.engine.executors.make.make_executor", lambda *_: found)
    run_command(dataset, *options)
    return found


def test_it_uses_the_cpu_and_the_presets_windows_by_default(monkeypatch: pytest.MonkeyPatch, dataset: Path) -> None:
    found = record(monkeypatch, dataset)
    (job,) = found.jobs
    assert (found.stage.resources.gpus, found.stage._device) == (0, "cpu")
    assert (job.made_from.settings.windows, job.made_from.settings.dtype) == (2, "float16")
    assert job.made_from.encoders.video.name == "lapped-dct"


def test_workers_use_a_share_of_a_gpu(monkeypatch: pytest.MonkeyPatch, dataset: Path) -> None:
    found = record(monkeypatch, dataset, "--gpus", "0.5", "--dtype", "bfloat16", "--windows", "3")
    (job,) = found.jobs
    assert (found.stage.resources.gpus, found.stage._device) == (0.5, "cuda")
    assert (job.made_from.settings.windows, job.made_from.settings.dtype) == (3, "bfloat16")


def test_without_windows_in_the_preset_there_is_one(monkeypatch: pytest.MonkeyPatch, dataset: Path) -> None:
    (job,) = record(monkeypatch, dataset, "--set", "encoders.windows=0").jobs
    assert job.made_from.settings.windows == 1


def test_no_gpu_is_one_line_before_any_work(monkeypatch: pytest.MonkeyPatch, dataset: Path) -> None:
    monkeypatch.setattr(local_executor, "count_local_gpus", lambda: 0)
    with pytest.raises(UserError, match="^.*this machine has none that torch can use: .*--gpus 0.*$"):
        run_command(dataset, "--gpus", "1")
    assert not any((dataset / "latents").iterdir())


@pytest.mark.parametrize(
    ("options", "message"), [(("--dtype", "int8"), "dtype is 'int8'"), (("--windows", "0"), "windows is 0")]
)
def test_a_wrong_option_is_one_line(dataset: Path, options: tuple[str, ...], message: str) -> None:
    with pytest.raises(UserError, match=f"^configuration: {message}"):
        run_command(dataset, *options)


OPTIONS = ("--set", "data.buckets.resolutions=[[96, 48]]", "--windows", "1", "--workers", "1")


def test_latents_of_a_stored_set_are_written_into_it_and_found_by_training(
    dataset: Path, s3: S3Server, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = upload(dataset, f"{s3.make_bucket('latents')}/{tmp_path.name}/set")
    app(["latents", f"{stored}/", *OPTIONS], standalone_mode=False)
    assert f"{stored}/latents: 0 shards up to date, 1 missing, 0 stale" in capsys.readouterr().out
    names = stored.names("latents")
    assert {"train-000000.tar", "train-000000.json"} < names and len(names) == 3
    s3.reset()
    app(["latents", stored.location, *OPTIONS], standalone_mode=False)
    assert "1 shards up to date, 0 missing, 0 stale" in capsys.readouterr().out
    assert {one.method for one in s3.requests()} <= {"GET", "HEAD"}
    config = load_train_config("tiny", ["data.buckets.resolutions=[[96, 48]]", "validation.clips=0"])
    assert f"1 time windows of each clip, encoded in {stored}/latents" in "\n".join(dry_run(config, str(stored)).lines)


def test_out_can_be_a_url(dataset: Path, s3: S3Server, tmp_path: Path) -> None:
    out = f"{s3.make_bucket('latents')}/{tmp_path.name}/elsewhere"
    run_command(dataset, *OPTIONS, "--out", out)
    assert "train-000000.json" in open_store(out).names() and not (dataset / "latents").exists()


def test_a_store_that_does_not_exist_is_one_line_before_any_work(dataset: Path, s3: S3Server) -> None:
    with pytest.raises(UserError, match="^[^\n]*there is no such bucket[^\n]*$"):
        run_command(dataset, *OPTIONS, "--out", "s3://nowhere-at-all/latents")
    assert not (dataset / "latents").exists()

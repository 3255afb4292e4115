"""Whole runs of a small model: stopped, killed, damaged and validated."""

import json
import multiprocessing
import os
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file

from echomotion_model.generation.sampling_run import open_sampling_run
from echomotion_model.model.transformer import is_motion_parameter
from echomotion_model.motion.normalizer import Normalizer
from echomotion_model.train.config import TrainConfig, load_train_config
from echomotion_model.train.dry_run import dry_run
from echomotion_model.train.loop import TrainResult, train
from echomotion_model.train.run.checkpoint import list_checkpoints, read_state
from echomotion_model.train.run.init import init_model
from echomotion_model.train.run.state import list_parameters
from humove.errors import UserError
from humove.storage.locks import lock_folder
from shards.buckets import COLUMNS, count_buckets
from shards.reader import open_dataset
from tests.echomotion_model.data.sets import make_set
from tests.echomotion_model.importing.sample_files import make_motion_set

SETTINGS = [
    "model.layers=1",
    "model.ffn_dim=64",
    "data.batch_size=3",
    "data.buckets.resolutions=[[96, 48], [48, 96]]",
    "encoders.text_tokens=16",
    "encoders.windows=2",
    "phases.motion.steps=8",
    "phases.motion.batch_size=2",
    "phases.motion.warmup_steps=0",
    "phases.paired.steps=12",
    "phases.paired.warmup_steps=0",
    "phases.paired.accumulate=2",
    "checkpoint.every=5",
    "validation.clips=0",
    "log.every=1",
]
CLOCKS = {"step_seconds", "data_seconds", "tokens_per_second", "tflops", "mfu"}


def settings(*more: str) -> TrainConfig:
    return load_train_config("tiny", [*SETTINGS, *more])


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("small") / "set")


@pytest.fixture(scope="module")
def motions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A motion-only set."""
    return make_motion_set(tmp_path_factory.mktemp("motions"), people=3)


@pytest.fixture(scope="module")
def uninterrupted(small: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An uninterrupted run of 20 steps."""
    out = tmp_path_factory.mktemp("uninterrupted") / "run"
    assert train(settings(), str(small), out) == TrainResult(step=20, finished=True)
    return out


def read_metrics(run: Path) -> list[dict]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    return [{name: value for name, value in line.items() if name not in CLOCKS} for line in lines]


def load_last_tensors(run: Path) -> dict[str, torch.Tensor]:
    return load_file(next(list_checkpoints(run)[-1].glob("*.safetensors")))


def check_same_run(run: Path, other: Path) -> None:
    assert read_metrics(run) == read_metrics(other)
    ours, theirs = load_last_tensors(run), load_last_tensors(other)
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)


def kill_at_step(step: int, dataset: Path, out: Path) -> None:
    """Train in another process and end it with SIGKILL when it reports a step."""

    def kill(done: int, values: object) -> None:
        if done == step:
            os.kill(os.getpid(), signal.SIGKILL)

    context = multiprocessing.get_context("fork")
    process = context.Process(target=lambda: train(settings(), str(dataset), out, on_metrics=kill))
    process.start()
    process.join()
    assert process.exitcode == -signal.SIGKILL


def test_a_run_killed_in_both_phases_equals_an_uninterrupted_run(
    small: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    kill_at_step(3, small, tmp_path / "run")  # before the first checkpoint
    kill_at_step(7, small, tmp_path / "run")
    kill_at_step(14, small, tmp_path / "run")
    assert [path.name for path in list_checkpoints(tmp_path / "run")] == ["step-000008", "step-000010"]
    assert train(settings(), str(small), tmp_path / "run") == TrainResult(step=20, finished=True)
    check_same_run(tmp_path / "run", uninterrupted)


def test_sigterm_saves_and_stops_and_the_same_call_resumes(small: Path, uninterrupted: Path, tmp_path: Path) -> None:
    def stop(step: int, values: object) -> None:
        if step in (4, 8, 13):
            os.kill(os.getpid(), signal.SIGTERM)

    before = signal.getsignal(signal.SIGTERM)
    for step in (4, 8, 13):
        assert train(settings(), str(small), tmp_path / "run", on_metrics=stop) == TrainResult(
            step=step, finished=False
        )
        assert list_checkpoints(tmp_path / "run")[-1].name == f"step-{step:06d}"
    assert signal.getsignal(signal.SIGTERM) == before
    assert train(settings(), str(small), tmp_path / "run").finished
    check_same_run(tmp_path / "run", uninterrupted)


def test_a_finished_run_takes_no_more_steps(small: Path, uninterrupted: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(uninterrupted, tmp_path / "run"))
    steps: list[int] = []
    assert train(settings(), str(small), out, on_metrics=lambda step, _: steps.append(step)).finished and not steps
    longer = settings("phases.paired.steps=13", "ema.decay=0.9")
    assert train(longer, str(small), out, on_metrics=lambda step, _: steps.append(step)).step == 21 and steps == [21]


def test_the_first_phase_does_not_change_the_video_branch(small: Path, tmp_path: Path) -> None:
    for shared in (True, False):
        config = settings("phases.paired.steps=0", f"phases.motion.train_shared={shared}", "ema.decay=0")
        out = tmp_path / str(shared)
        train(config, str(small), out)
        before, after = dict(list_parameters(init_model(config))), load_last_tensors(out)
        changed = {name for name in before if not torch.equal(before[name], after[f"model.{name}"])}
        embedders = {name for name in before if name.startswith("condition_embedder.")}
        assert any("blocks.0.motion." in name for name in changed)
        assert all(is_motion_parameter(name) for name in changed - embedders)
        assert bool(changed & embedders) == shared
        assert all("loss_video" not in line and line["phase"] == 1 for line in read_metrics(out))


def test_metrics_have_losses_and_throughput(uninterrupted: Path) -> None:
    lines = [json.loads(line) for line in (uninterrupted / "metrics.jsonl").read_text(encoding="utf-8").splitlines()]
    assert [line["step"] for line in lines] == list(range(1, 21))
    assert {"loss", "grad_norm", "learning_rate", "samples", *CLOCKS} <= lines[-1].keys()
    assert all(0 < line["mfu"] < 10 and line["tokens_per_second"] > 0 for line in lines)
    assert {line["phase"] for line in lines} == {1, 2}


def test_a_dry_run_counts_used_and_left_out_samples(small: Path) -> None:
    config = settings("data.buckets.max_upscale=1", "data.buckets.resolutions=[[96, 48], [64, 128]]")
    found = dry_run(config, str(small))
    rows = open_dataset(str(small)).iterate_index_rows(list(COLUMNS))
    assert found.counts == count_buckets(rows, config.data.buckets)["train"]
    assert found.counts["used"] and found.counts["left_out"]
    lines = "\n".join(found.lines)
    assert all(f"left out, {why}: {number}" in lines for why, number in found.counts["left_out"].items())
    assert all(f"{bucket}: {number}" in lines for bucket, number in found.counts["buckets"].items())


def get_error(config: TrainConfig, dataset: Path, out: Path) -> str:
    with pytest.raises(UserError) as error:
        train(config, str(dataset), out)
    assert "\n" not in str(error.value)
    return str(error.value)


def test_frames_can_be_encoded_at_every_step(small: Path, tmp_path: Path) -> None:
    config = settings("encoders.windows=0", "phases.motion.steps=0", "phases.paired.steps=3")
    assert train(config, str(small), tmp_path / "run").step == 3
    assert all("loss_motion" in line or "loss_video" in line for line in read_metrics(tmp_path / "run"))


def damage_shard(dataset: Path) -> None:
    shard = sorted((dataset / "shards").glob("train-*.tar"))[-1]
    raw = bytearray(shard.read_bytes())
    raw[512 : len(raw) // 2] = bytes(len(raw) // 2 - 512)
    shard.write_bytes(raw)


@pytest.mark.parametrize("windows", [0, 2])
def test_a_corrupt_shard_is_one_line_and_the_last_checkpoint_remains(windows: int, small: Path, tmp_path: Path) -> None:
    dataset = Path(shutil.copytree(small, tmp_path / "set"))
    config = settings(f"encoders.windows={windows}", "phases.motion.steps=2", "phases.paired.steps=2")
    train(config, str(dataset), tmp_path / "run")
    damage_shard(dataset)
    more = settings(f"encoders.windows={windows}", "phases.motion.steps=2", "phases.paired.steps=40")
    message = get_error(more, dataset, tmp_path / "run")
    assert "damaged" in message and "shards/train-" in message
    assert read_state(list_checkpoints(tmp_path / "run")[-1]).step >= 4


def test_missing_or_stale_latents_are_one_line(small: Path, uninterrupted: Path, tmp_path: Path) -> None:
    dataset = Path(shutil.copytree(small, tmp_path / "set"))
    shutil.copytree(uninterrupted / "latents", dataset / "latents")
    train(settings("phases.motion.steps=0", "phases.paired.steps=1"), str(dataset), tmp_path / "run")
    assert not (tmp_path / "run" / "latents").exists()
    message = get_error(settings("data.buckets.max_frames=13"), dataset, tmp_path / "other")
    assert "max_frames" in message and "humove latents" in message
    next((dataset / "latents").glob("train-*.tar")).unlink()
    message = get_error(settings(), dataset, tmp_path / "another")
    assert "missing" in message and "humove latents" in message


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.channels=8", "the video latents have 16 channels, the model has 8: set encoders.video"),
        ("model.text_dim=4096", "the caption embeddings have 384 dimensions, the model's text_dim is 4096"),
        ("encoders.stride=4", "which does not match encoders.stride=4"),
        ("encoders.video=vae; encoders.weights=none", "encoders.vae is empty: set it to the encoder's folder"),
    ],
)
def test_encoders_that_do_not_match_the_model_are_one_line(
    change: str, message: str, small: Path, tmp_path: Path
) -> None:
    config = settings("encoders.windows=0", "phases.motion.steps=0", "phases.paired.steps=1", *change.split("; "))
    assert message in get_error(config, small, tmp_path / "run")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("model.heads=4; model.head_dim=32", "model.head_dim is 64 there and 32 here"),
        ("model.heads=8", "model.heads is 2 there and 8 here"),
        ("lora.rank=2; phases.motion.train_shared=false", "lora.rank is 0 there and 2 here"),
        ("ema.decay=0", "ema.decay is 0.99 there and 0.0 here"),
        ("phases.motion.train_shared=false", "phases.motion.train_shared is True there and False here"),
        ("encoders.video=vae", "encoders.video is dct there and vae here"),
        ("encoders.text=umt5", "encoders.text is sentence there and umt5 here"),
        ("encoders.windows=3", "encoders.windows is 2 there and 3 here"),
        ("data.seed=1", "the position to resume from was saved with other"),
        ("data.buckets.resolutions=[[96, 64]]", "the position to resume from was saved with other"),
    ],
)
def test_a_run_of_another_preset_is_not_resumed(
    change: str, message: str, small: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(uninterrupted, tmp_path / "run"))
    assert message in get_error(settings("phases.paired.steps=15", *change.split("; ")), small, out)
    assert list_checkpoints(out)[-1].name == "step-000020"
    assert load_train_config(str(out / "config.yaml"), []) == settings()


def test_weights_are_not_used_with_another_normalisation(small: Path, uninterrupted: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(uninterrupted, tmp_path / "run"))
    normalizer, longer = out / "normalizer.npz", settings("phases.paired.steps=13")
    own = Normalizer.load(normalizer)

    def check_refused(why: str) -> None:
        message = f"normalizer.npz: {why}; step-000020 depends on it: restore it from a copy"
        assert message in get_error(longer, small, out)
        with pytest.raises(UserError, match=message):
            open_sampling_run(out)

    normalizer.unlink()
    check_refused("No such file or directory")
    assert not normalizer.exists()
    Normalizer(mean_F=own.mean_F + 1, std_F=own.std_F).save(normalizer)
    check_refused("it has changed")
    own.save(normalizer)
    assert train(longer, str(small), out).finished


def test_a_full_disk_is_one_line_and_the_last_checkpoint_remains(
    small: Path, uninterrupted: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    out = Path(shutil.copytree(uninterrupted, tmp_path / "run"))
    sync: Callable[[int], None] = os.fsync

    def fail_when_full(handle: int) -> None:
        if "step-000022" in os.readlink(f"/proc/self/fd/{handle}"):
            raise OSError(28, "No space left on device")
        sync(handle)

    monkeypatch.setattr(os, "fsync", fail_when_full)
    message = get_error(settings("phases.paired.steps=14"), small, out)
    assert "step-000022: No space left on device; step-000020 is the last checkpoint: free some space" in message
    monkeypatch.undo()
    assert train(settings("phases.paired.steps=14"), str(small), out).finished


def test_a_data_sets_folder_is_refused(small: Path, motions: Path) -> None:
    for folder in (small, motions):
        assert "is a data set; give OUT a folder of its own" in get_error(settings(), small, folder)


def test_a_path_that_cannot_be_a_folder_is_one_line(small: Path, tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for out in (tmp_path / "file", tmp_path / "file" / "run", Path("/proc/run")):
        assert f"OUT={out}: cannot be written" in get_error(settings(), small, out)


def test_one_training_at_a_time_in_a_folder(small: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with lock_folder(tmp_path / "run"):
        assert "another training is running there" in get_error(settings(), small, tmp_path / "run")


def test_motion_only_sets_train_the_first_phase(small: Path, motions: Path, tmp_path: Path) -> None:
    config = settings("phases.motion.steps=3", "phases.paired.steps=2")
    for out, more in ((tmp_path / "run", [str(motions)]), (tmp_path / "plain", [])):
        assert train(config, str(small), out, motion_only=more) == TrainResult(step=5, finished=True)
    ours, plain = read_metrics(tmp_path / "run"), read_metrics(tmp_path / "plain")
    assert [line["phase"] for line in ours] == [1, 1, 1, 2, 2]
    assert ours[0]["loss"] != plain[0]["loss"]
    assert "motions, buckets, seed or batch size" in get_error(
        settings("phases.motion.steps=5", "phases.paired.steps=2"), small, _remove_phase_2(tmp_path / "run")
    )


def _remove_phase_2(run: Path) -> Path:
    """Restore the run to the end of its first phase."""
    shutil.rmtree(list_checkpoints(run)[-1])
    return run


def test_a_wan_preset_does_not_silently_start_from_random_weights(small: Path) -> None:
    config = settings("encoders.video=vae", "encoders.vae=nowhere")
    with pytest.raises(UserError, match="encoders.weights is empty: set it to Wan's weights"):
        init_model(config)
    init_model(config, resumed=True)
    init_model(settings("encoders.video=vae", "encoders.vae=nowhere", "encoders.weights=none"))


def test_samples_of_the_three_modes_are_written_and_measured(small: Path, uninterrupted: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(uninterrupted, tmp_path / "run"))
    more = ("phases.paired.steps=13", "validation.clips=1", "validation.sampling.steps=2")
    train(settings(*more), str(small), out)
    names = sorted(path.name.split("-p00-")[1] for path in (out / "validation" / "21").glob("*.mp4"))
    assert names == ["joint.mp4", "motion-to-video.mp4", "video-to-motion.mp4"]
    last = read_metrics(out)[-1]
    assert last["step"] == 21
    assert {"validation/video_to_motion_pa_mpjpe_mm", "validation/motion_to_video_psnr_db"} <= last.keys()


VALIDATED = ("validation.clips=1", "validation.sampling.steps=2")


def list_validations(run: Path) -> list[int]:
    return [line["step"] for line in read_metrics(run) if "validation/motion_to_video_psnr_db" in line]


def test_a_run_that_stops_before_the_final_validation_runs_it_on_resume(
    small: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(uninterrupted, tmp_path / "run"))
    config = settings(*VALIDATED)

    def stop(line: str) -> None:
        if "in the three modes" in line:
            os.kill(os.getpid(), signal.SIGTERM)

    assert train(config, str(small), out, say=stop) == TrainResult(step=20, finished=False)
    assert list_validations(out) == [] and not list((out / "validation").rglob("*.mp4"))
    for _ in range(2):
        assert train(config, str(small), out) == TrainResult(step=20, finished=True)
        assert list_validations(out) == [20]


def test_a_stop_during_a_validation_saves_and_stops(small: Path, tmp_path: Path) -> None:
    def stop(line: str) -> None:
        if line.startswith("step 12:"):
            os.kill(os.getpid(), signal.SIGTERM)

    config, out = settings(*VALIDATED, "validation.every=6"), tmp_path / "run"
    assert train(config, str(small), out, say=stop) == TrainResult(step=12, finished=False)
    assert list_checkpoints(out)[-1].name == "step-000012" and list_validations(out) == [6]
    assert train(config, str(small), out).finished and list_validations(out) == [6, 18, 20]


def test_a_run_of_only_phase_1_is_validated(small: Path, tmp_path: Path) -> None:
    config = settings(*VALIDATED, "phases.motion.steps=2", "phases.paired.steps=0")
    assert train(config, str(small), tmp_path / "run").finished and list_validations(tmp_path / "run") == [2]


def test_validation_videos_that_cannot_be_written_are_one_line(
    small: Path, uninterrupted: Path, tmp_path: Path
) -> None:
    out = Path(shutil.copytree(uninterrupted, tmp_path / "run"))
    for row in open_dataset(str(small)).iterate_index_rows(["key"]):
        (out / "validation" / "20" / f"{row['key']}-video-to-motion.mp4").mkdir(parents=True)
    assert "last checkpoint: step-000020" in get_error(settings(*VALIDATED), small, out)

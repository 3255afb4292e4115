import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from echomotion_model.data.catalogue import SampleIndex
from echomotion_model.data.sample import load_sample
from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.run import import_motion
from echomotion_model.latents.arrays import decode_tensor, encode_tensor
from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.plan import get_default_out, plan_latents
from echomotion_model.latents.protocol import ExpectedEncoders, get_encoder_ids
from echomotion_model.latents.reader import open_latents
from echomotion_model.latents.schemas import parse_latents_shard
from echomotion_model.latents.stage import EncodeShard
from humove.errors import UserError
from humove.storage import Store
from pipelines.engine.executors.local_executor import LocalExecutor
from pipelines.engine.executors.run_tasks import run_tasks
from pipelines.engine.executors.task import Task
from shards.motion_only.dataset import open_motion_only
from shards.reader import open_dataset
from tests.echomotion_model.data.sets import BUCKETS, SHAPES, make_loader_config, make_sample, make_set, write_set
from tests.echomotion_model.importing.sample_files import write_amass
from tests.echomotion_model.latents.fakes import BlockMeans, Load, Words
from tests.s3_server import S3Server
from tests.shards.parts import upload

SETTINGS = LatentsSettings(buckets=BUCKETS, seed=5, windows=2, dtype="float32")
IDS = get_encoder_ids(BlockMeans(), Words())
EXPECTED = ExpectedEncoders(video=IDS.video, text=IDS.text)


def encode_set(
    dataset: Path | str, out: Path | str, latents: LatentsSettings = SETTINGS, load: Load | None = None, ids=None
):
    """Plan, run every job in this process, and return the plan."""
    load = load or Load()
    plan = plan_latents(str(dataset), out, latents, ids or get_encoder_ids(*load("cpu")))
    stage = EncodeShard(load)
    stage.setup()
    for job in plan.jobs:
        assert stage.process(job).made_from.shard == job.name
    return plan


@pytest.fixture(scope="module")
def encoded(tmp_path_factory) -> Path:
    """A data set with its latents; read only."""
    folder = make_set(tmp_path_factory.mktemp("set") / "set")
    encode_set(folder, get_default_out(str(folder)))
    return folder


@pytest.fixture
def copied(encoded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(encoded, tmp_path / "set"))


def open_set(folder: Path, **changes):
    return open_latents(
        str(folder / "latents"), open_dataset(str(folder)), make_loader_config(**changes), encoders=EXPECTED
    )


def compute_digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_latents_are_of_the_windows_that_the_loader_draws(encoded):
    dataset, latents, config = open_dataset(str(encoded)), open_set(encoded), make_loader_config()
    index = SampleIndex(dataset, "train", config.buckets)
    checked = 0
    for bucket, rows in index.members.items():
        for row in rows:
            entry = index.get_entry(int(row), bucket)
            for epoch in (0, 1, 3):
                sample = load_sample(dataset, entry, config, epoch % 2)
                window = latents.read_window(entry.key, epoch)
                np.testing.assert_array_equal(window.instants_T, sample.instants)
                expected = BlockMeans().encode_video(torch.from_numpy(sample.video)[None])[0]
                assert torch.equal(window.latents_CFhw, expected)
                assert window.latents_CFhw.shape[1] == (bucket.frames - 1) // 4 + 1
                checked += 1
    assert checked == 3 * len(index) == 3 * len(latents) > 30


def test_captions_are_stored_without_padding(encoded):
    latents = open_set(encoded)
    key = next(iter(latents._rows))
    caption = open_dataset(str(encoded)).get(key).meta["captions"]["full"]
    tokens = latents.read_text(key)
    assert torch.equal(tokens, Words().encode_text([caption])[0][0, : len(caption.split()) + 1])
    assert torch.equal(latents.read_null_text(), Words().encode_text([""])[0][0, :1])


def test_samples_that_fit_no_bucket_are_counted_and_not_encoded(encoded):
    config = make_loader_config()
    expected = SampleIndex(open_dataset(str(encoded)), "train", config.buckets).counts
    plan = plan_latents(str(encoded), encoded / "latents", SETTINGS, IDS)
    assert not plan.jobs and plan.fresh == len(open_dataset(str(encoded)).list_shards())
    counted: dict[str, int] = {}
    for path in (encoded / "latents").glob("train-*.json"):
        for reason, number in parse_latents_shard(path.read_bytes()).left_out.items():
            counted[reason] = counted.get(reason, 0) + number
    assert counted == expected["left_out"] and counted


def test_the_same_inputs_give_the_same_bytes(encoded, tmp_path):
    encode_set(encoded, tmp_path / "again")
    assert compute_digests(tmp_path / "again") == compute_digests(encoded / "latents")


def test_a_stopped_run_resumes_shard_by_shard(copied, tmp_path):
    out, whole = copied / "latents", compute_digests(copied / "latents")
    (out / "train-000002.json").unlink()  # killed before its .json was written
    (out / "train-000001.tar").unlink()
    (out / "val-000000.tar").write_bytes(b"half")
    plan = encode_set(copied, out)
    assert plan.reasons == {"train-000001.tar": "missing", "train-000002.tar": "missing", "val-000000.tar": "missing"}
    assert compute_digests(out) == whole


@pytest.fixture
def stored(encoded: Path, s3: S3Server, tmp_path: Path) -> Store:
    """The data set in an object store, without its latents."""
    store = upload(encoded, f"{s3.make_bucket('latents')}/{tmp_path.name}/set")
    store.delete([f"latents/{name}" for name in store.names("latents")])
    return store


def test_an_object_store_holds_the_same_bytes_as_a_folder(encoded: Path, stored: Store) -> None:
    plan = encode_set(stored.location, get_default_out(stored.location))
    assert set(plan.reasons.values()) == {"missing"} and plan.out.location == f"{stored}/latents"
    whole = compute_digests(encoded / "latents")
    assert stored.names("latents") == whole.keys()
    assert {name: hashlib.sha256(stored.read(f"latents/{name}")).hexdigest() for name in whole} == whole
    found = open_latents(f"{stored}/latents", open_dataset(stored.location), make_loader_config(), encoders=EXPECTED)
    assert len(found) == len(open_set(encoded))


def test_a_stopped_run_resumes_in_an_object_store(stored: Store, s3: S3Server) -> None:
    out = stored.child("latents")
    encode_set(stored.location, out.location)
    out.delete(["train-000002.json", "train-000001.tar"])
    out.write("val-000000.tar", b"half")
    s3.reset()
    plan = encode_set(stored.location, out.location)
    assert plan.reasons == {"train-000001.tar": "missing", "train-000002.tar": "missing", "val-000000.tar": "missing"}
    put = {one.path.rsplit("/", 1)[-1].partition("?")[0] for one in s3.requests("PUT", r"/(train|val)-")}
    assert put == {
        f"{name}.{kind}" for name in ("train-000001", "train-000002", "val-000000") for kind in ("tar", "json")
    }
    assert not plan_latents(stored.location, out.location, SETTINGS, IDS).jobs


def test_a_kill_before_the_json_leaves_no_latents_shard_in_an_object_store(stored: Store) -> None:
    out = stored.child("latents")
    encode_set(stored.location, out.location)
    name = next(row.name for row in open_dataset(stored.location).list_shards("val"))
    other = SETTINGS.model_copy(update={"windows": 1})
    jobs = {job.name: job for job in plan_latents(stored.location, out.location, other, IDS).jobs}
    stage = EncodeShard(Load(scale=float("nan")))
    stage.setup()
    with pytest.raises(ValueError, match="not finite"):
        stage.process(jobs[name])
    assert plan_latents(stored.location, out.location, SETTINGS, IDS).reasons == {name: "missing"}


def test_latents_of_removed_shards_are_removed_from_an_object_store(stored: Store) -> None:
    out = stored.child("latents")
    encode_set(stored.location, out.location)
    for kind in ("tar", "json"):
        out.copy(f"val-000000.{kind}", f"val-000009.{kind}")
    out.write("notes-of-mine.tar", b"not ours")
    plan_latents(stored.location, out.location, SETTINGS, IDS)
    assert not {"val-000009.tar", "val-000009.json"} & out.names() and out.exists("notes-of-mine.tar")
    for own in (stored.location, f"{stored}/shards"):
        with pytest.raises(UserError, match="a data set's own folder"):
            plan_latents(stored.location, own, SETTINGS, IDS)


def test_a_fault_leaves_no_latents_shard(copied):
    out = copied / "latents"
    plan = plan_latents(str(copied), out, SETTINGS.model_copy(update={"windows": 1}), IDS)
    stage = EncodeShard(Load(scale=float("nan")))
    stage.setup()
    with pytest.raises(ValueError, match="not finite"):
        stage.process(plan.jobs[0])
    # The old .json is deleted, and the new tar is incomplete: the shard is encoded again.
    assert len(plan_latents(str(copied), out, SETTINGS, IDS).jobs) == 1


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"windows": 3}, "made with windows 2, now 3"),
        ({"seed": 6}, "made with seed 5, now 6"),
        ({"dtype": "float16"}, "made with dtype float32, now float16"),
        ({"buckets": BUCKETS.model_copy(update={"fps": 12})}, "made with buckets.fps 16, now 12"),
    ],
)
def test_other_settings_make_all_stale(encoded, change, reason):
    plan = plan_latents(str(encoded), encoded / "latents", SETTINGS.model_copy(update=change), IDS)
    assert plan.fresh == 0 and set(plan.reasons.values()) == {reason}


def test_other_weights_make_all_stale(encoded):
    other = get_encoder_ids(BlockMeans(hash="c" * 64), Words())
    plan = plan_latents(str(encoded), encoded / "latents", SETTINGS, other)
    assert plan.fresh == 0 and set(plan.reasons.values()) == {f"made with means {'a' * 12}, now means {'c' * 12}"}
    with pytest.raises(UserError, match="are missing or stale .*now means cccc"):
        open_latents(
            str(encoded / "latents"),
            open_dataset(str(encoded)),
            make_loader_config(),
            encoders=ExpectedEncoders(video=other.video),
        )


def test_a_changed_shard_makes_only_its_own_latents_stale(tmp_path):
    samples = [make_sample(i, "train", SHAPES[0]) for i in range(6)]
    folder = write_set(tmp_path / "set", samples)
    encode_set(folder, folder / "latents")
    before = compute_digests(folder / "latents")
    changed = make_sample(5, "train", SHAPES[1])
    write_set(folder, [*samples[:5], changed])
    with pytest.raises(UserError, match=r"latents of 1 of 2 shards .*train-000001.tar: its shard has changed"):
        open_set(folder)
    plan = encode_set(folder, folder / "latents")
    assert plan.reasons == {"train-000001.tar": "its shard has changed"} and plan.fresh == 1
    assert compute_digests(folder / "latents")["train-000000.tar"] == before["train-000000.tar"]
    assert changed.key in open_set(folder)


def test_latents_of_removed_shards_are_removed(copied):
    out = copied / "latents"
    shutil.copy(out / "val-000000.tar", out / "val-000009.tar")
    shutil.copy(out / "val-000000.json", out / "val-000009.json")
    (out / "notes-of-mine.tar").write_bytes(b"not ours")
    plan_latents(str(copied), out, SETTINGS, IDS)
    assert not (out / "val-000009.tar").exists() and not (out / "val-000009.json").exists()
    assert (out / "notes-of-mine.tar").exists()


def test_a_data_sets_own_folder_is_an_error(copied):
    before = compute_digests(copied / "shards")
    for out in (copied, copied / "shards"):
        with pytest.raises(UserError, match="a data set's own folder"):
            plan_latents(str(copied), out, SETTINGS, IDS)
    assert compute_digests(copied / "shards") == before


def test_a_worker_with_other_weights_is_one_line(encoded, tmp_path):
    with pytest.raises(UserError, match="use the same weights on all machines"):
        encode_set(encoded, tmp_path / "out", load=Load(video_hash="d" * 64), ids=IDS)


def test_a_damaged_shard_is_one_line(copied, tmp_path):
    path = copied / "shards" / "train-000000.tar"
    raw = bytearray(path.read_bytes())
    raw[600:4000] = bytes(3400)
    path.write_bytes(raw)
    with pytest.raises(UserError, match="train-000000.tar is damaged"):
        encode_set(copied, tmp_path / "out")
    assert not (tmp_path / "out" / "train-000000.json").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"seed": 6}, "seed 5, now 6"), ({"buckets": BUCKETS.model_copy(update={"max_frames": 17})}, "max_frames 29")],
)
def test_a_loader_that_would_draw_other_windows_is_an_error(encoded, change, reason):
    with pytest.raises(UserError, match=f"missing or stale .*{reason}"):
        open_set(encoded, **change)


def test_missing_latents_are_one_line(copied):
    (copied / "latents" / "train-000001.json").unlink()
    with pytest.raises(UserError, match=r"latents of 1 of \d shards are missing or stale \(train-000001.tar: missing"):
        open_set(copied)
    assert open_set(copied, split="val")
    shutil.rmtree(copied / "latents")
    with pytest.raises(UserError, match="train-000000.tar: missing"):
        open_set(copied)


def test_damaged_or_unknown_latents_are_one_line(copied):
    latents = open_set(copied)
    with pytest.raises(UserError, match="holds no latents of nobody"):
        latents.read_window("nobody", 0)
    path = copied / "latents" / "train-000000.tar"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(UserError, match="train-000000.tar at .* is damaged") as error:
        latents.read_window(next(iter(latents._rows)), 0)
    assert "\n" not in str(error.value) and error.value.exit_code == 5
    next((copied / "latents").glob("null-text-*")).unlink()
    with pytest.raises(UserError, match="null-text-.* is missing"):
        latents.read_null_text()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_tensors_keep_their_dtype_and_values(dtype):
    values = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)) * 10
    stored = values.to(getattr(torch, dtype))
    raw = encode_tensor(values, dtype, instants=np.arange(4.0))
    back, arrays = decode_tensor(raw)
    assert back.dtype == stored.dtype and torch.equal(back, stored)
    np.testing.assert_array_equal(arrays["instants"], np.arange(4.0))
    assert raw == encode_tensor(values, dtype, instants=np.arange(4.0))


def test_values_too_large_for_the_dtype_are_an_error():
    with pytest.raises(UserError, match="too large for float16: run .* --dtype bfloat16"):
        encode_tensor(torch.tensor([1e5]), "float16")
    assert decode_tensor(encode_tensor(torch.tensor([1e5]), "bfloat16"))[0].isfinite().all()


def test_captions_of_motion_only_sets_are_encoded(tmp_path):
    path = write_amass(tmp_path / "in" / "a.npz")
    path.with_suffix(".txt").write_text("a person walks\nsomeone strolls along\n")
    write_amass(tmp_path / "in" / "b.npz", seed=4)
    import_motion(tmp_path / "in", tmp_path / "set", settings=ImportSettings(val=0, test=0))
    encode_set(tmp_path / "set", tmp_path / "set" / "latents")
    source = open_motion_only(str(tmp_path / "set"))
    latents = open_latents(str(tmp_path / "set" / "latents"), source, make_loader_config(), encoders=EXPECTED)
    captions_of = {sample.key: sample.meta.captions for sample in source.iterate_samples()}
    assert len(latents) == len(captions_of) == 2
    for key, captions in captions_of.items():
        assert latents.count_texts(key) == len(captions)
        stored_captions = captions or ("",)
        for number, caption in enumerate(stored_captions):
            expected = Words().encode_text([caption])[0][0, : len(caption.split()) + 1]
            assert torch.equal(latents.read_text(key, number), expected)
    with pytest.raises(UserError, match="no video latents"):
        latents.read_window(next(iter(captions_of)), 0)


@pytest.mark.parametrize("name", ["local", "ray"])
def test_executors_run_the_stage(encoded, tmp_path, name):
    if name == "ray":
        from pipelines.engine.executors.ray_executor import RayExecutor

        executor = RayExecutor(address="", workers=2, retries=0)
    else:
        executor = LocalExecutor(workers=2, retries=0)
    plan = plan_latents(str(encoded), tmp_path / "out", SETTINGS, IDS)
    stage = EncodeShard(Load())
    tasks = [Task(task_id=job.name, label=job.name, stage=stage, payload=job) for job in plan.jobs[-2:]]
    try:
        done = list(run_tasks(executor, tasks))
    finally:
        executor.close()
    assert {each.result.made_from.shard for each in done} == {task.task_id for task in tasks}
    written, whole = compute_digests(tmp_path / "out"), compute_digests(encoded / "latents")
    assert len(written) == 5 and written.items() <= whole.items()

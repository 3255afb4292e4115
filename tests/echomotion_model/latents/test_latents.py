import hashlib
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from echomotion_model.data.catalogue import Catalogue
from echomotion_model.data.sample import load_sample
from echomotion_model.importing.config import ImportSettings
from echomotion_model.importing.run import import_motion
from echomotion_model.latents.arrays import decode_tensor, encode_tensor
from echomotion_model.latents.config import LatentsSettings
from echomotion_model.latents.documents import parse_side_shard
from echomotion_model.latents.plan import default_out, plan_latents
from echomotion_model.latents.protocol import MeantIds, ids_of
from echomotion_model.latents.reader import open_latents
from echomotion_model.latents.stage import EncodeShard
from humove.errors import UserError
from humove.storage import Store
from pipelines.engine.local_executor import LocalExecutor
from pipelines.engine.run_tasks import run_tasks
from pipelines.engine.task import Task
from shards.motion_only import open_motion_only
from shards.reader import open_dataset
from tests.echomotion_model.data.sets import BUCKETS, SHAPES, make_sample, make_set, settings, write_set
from tests.echomotion_model.importing.made import write_amass
from tests.echomotion_model.latents.fakes import BlockMeans, Load, Words
from tests.s3_server import S3Server
from tests.shards.parts import upload

SETTINGS = LatentsSettings(buckets=BUCKETS, seed=5, windows=2, dtype="float32")
IDS = ids_of(BlockMeans(), Words())
MEANT = MeantIds(video=IDS.video, text=IDS.text)


def run(dataset: Path | str, out: Path | str, latents: LatentsSettings = SETTINGS, load: Load | None = None, ids=None):
    """Plans and does every job here; the plan."""
    load = load or Load()
    plan = plan_latents(str(dataset), out, latents, ids or ids_of(*load("cpu")))
    stage = EncodeShard(load)
    stage.setup()
    for job in plan.jobs:
        assert stage.process(job).made_from.shard == job.name
    return plan


@pytest.fixture(scope="module")
def encoded(tmp_path_factory) -> Path:
    """A data set with its side shards; read only."""
    folder = make_set(tmp_path_factory.mktemp("set") / "set")
    run(folder, default_out(str(folder)))
    return folder


@pytest.fixture
def copied(encoded: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(encoded, tmp_path / "set"))


def opened(folder: Path, **changes):
    return open_latents(str(folder / "latents"), open_dataset(str(folder)), settings(**changes), encoders=MEANT)


def digests(folder: Path) -> dict[str, str]:
    return {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}


def test_latents_are_of_the_very_windows_that_the_loader_draws(encoded):
    dataset, latents, config = open_dataset(str(encoded)), opened(encoded), settings()
    catalogue = Catalogue(dataset, "train", config.buckets)
    seen = 0
    for bucket, rows in catalogue.members.items():
        for row in rows:
            entry = catalogue.entry(int(row), bucket)
            for epoch in (0, 1, 3):
                sample = load_sample(dataset, entry, config, epoch % 2)
                window = latents.window(entry.key, epoch)
                np.testing.assert_array_equal(window.instants_T, sample.instants)
                wanted = BlockMeans().encode_video(torch.from_numpy(sample.video)[None])[0]
                assert torch.equal(window.latents_CFhw, wanted)
                assert window.latents_CFhw.shape[1] == (bucket.frames - 1) // 4 + 1
                seen += 1
    assert seen == 3 * len(catalogue) == 3 * len(latents) > 30


def test_texts_come_back_without_padding(encoded):
    latents = opened(encoded)
    key = next(iter(latents._rows))
    caption = open_dataset(str(encoded)).get(key).meta["captions"]["full"]
    tokens = latents.text(key)
    assert torch.equal(tokens, Words().encode_text([caption])[0][0, : len(caption.split()) + 1])
    assert torch.equal(latents.null_text(), Words().encode_text([""])[0][0, :1])


def test_samples_that_train_in_no_bucket_are_counted_not_encoded(encoded):
    config = settings()
    wanted = Catalogue(open_dataset(str(encoded)), "train", config.buckets).counts
    plan = plan_latents(str(encoded), encoded / "latents", SETTINGS, IDS)
    assert not plan.jobs and plan.fresh == len(open_dataset(str(encoded)).shards())
    counted: dict[str, int] = {}
    for path in (encoded / "latents").glob("train-*.json"):
        for reason, number in parse_side_shard(path.read_bytes()).left_out.items():
            counted[reason] = counted.get(reason, 0) + number
    assert counted == wanted["left_out"] and counted


def test_the_same_inputs_give_the_same_bytes(encoded, tmp_path):
    run(encoded, tmp_path / "again")
    assert digests(tmp_path / "again") == digests(encoded / "latents")


def test_a_stopped_run_goes_on_shard_by_shard(copied, tmp_path):
    out, whole = copied / "latents", digests(copied / "latents")
    (out / "train-000002.json").unlink()  # killed before its document
    (out / "train-000001.tar").unlink()
    (out / "val-000000.tar").write_bytes(b"half")
    plan = run(copied, out)
    assert plan.why == {"train-000001.tar": "missing", "train-000002.tar": "missing", "val-000000.tar": "missing"}
    assert digests(out) == whole


@pytest.fixture
def stored(encoded: Path, s3: S3Server, tmp_path: Path) -> Store:
    """The data set in an object store, without its side shards."""
    store = upload(encoded, f"{s3.make_bucket('latents')}/{tmp_path.name}/set")
    store.delete([f"latents/{name}" for name in store.names("latents")])
    return store


def test_an_object_store_holds_the_same_bytes_as_a_folder(encoded: Path, stored: Store) -> None:
    plan = run(stored.location, default_out(stored.location))
    assert set(plan.why.values()) == {"missing"} and plan.out.location == f"{stored}/latents"
    whole = digests(encoded / "latents")
    assert stored.names("latents") == whole.keys()
    assert {name: hashlib.sha256(stored.read(f"latents/{name}")).hexdigest() for name in whole} == whole
    found = open_latents(f"{stored}/latents", open_dataset(stored.location), settings(), encoders=MEANT)
    assert len(found) == len(opened(encoded))


def test_a_stopped_run_goes_on_in_an_object_store(stored: Store, s3: S3Server) -> None:
    out = stored.child("latents")
    run(stored.location, out.location)
    out.delete(["train-000002.json", "train-000001.tar"])
    out.write("val-000000.tar", b"half")
    s3.reset()
    plan = run(stored.location, out.location)
    assert plan.why == {"train-000001.tar": "missing", "train-000002.tar": "missing", "val-000000.tar": "missing"}
    put = {one.path.rsplit("/", 1)[-1].partition("?")[0] for one in s3.requests("PUT", r"/(train|val)-")}
    assert put == {
        f"{name}.{kind}" for name in ("train-000001", "train-000002", "val-000000") for kind in ("tar", "json")
    }
    assert not plan_latents(stored.location, out.location, SETTINGS, IDS).jobs


def test_a_kill_before_the_document_leaves_no_side_shard_in_an_object_store(stored: Store) -> None:
    out = stored.child("latents")
    run(stored.location, out.location)
    name = next(row.name for row in open_dataset(stored.location).shards("val"))
    other = SETTINGS.model_copy(update={"windows": 1})
    jobs = {job.name: job for job in plan_latents(stored.location, out.location, other, IDS).jobs}
    stage = EncodeShard(Load(scale=float("nan")))
    stage.setup()
    with pytest.raises(ValueError, match="not finite"):
        stage.process(jobs[name])
    assert plan_latents(stored.location, out.location, SETTINGS, IDS).why == {name: "missing"}


def test_shards_that_are_gone_take_theirs_with_them_in_an_object_store(stored: Store) -> None:
    out = stored.child("latents")
    run(stored.location, out.location)
    for kind in ("tar", "json"):
        out.copy(f"val-000000.{kind}", f"val-000009.{kind}")
    out.write("notes-of-mine.tar", b"not ours")
    plan_latents(stored.location, out.location, SETTINGS, IDS)
    assert not {"val-000009.tar", "val-000009.json"} & out.names() and out.exists("notes-of-mine.tar")
    for own in (stored.location, f"{stored}/shards"):
        with pytest.raises(UserError, match="a data set's own folder"):
            plan_latents(stored.location, own, SETTINGS, IDS)


def test_a_fault_leaves_no_side_shard(copied):
    out = copied / "latents"
    plan = plan_latents(str(copied), out, SETTINGS.model_copy(update={"windows": 1}), IDS)
    stage = EncodeShard(Load(scale=float("nan")))
    stage.setup()
    with pytest.raises(ValueError, match="not finite"):
        stage.process(plan.jobs[0])
    # What was there before is stale, and half of what is new is nothing: either way it is made again.
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
    assert plan.fresh == 0 and set(plan.why.values()) == {reason}


def test_other_weights_make_all_stale(encoded):
    other = ids_of(BlockMeans(hash="c" * 64), Words())
    plan = plan_latents(str(encoded), encoded / "latents", SETTINGS, other)
    assert plan.fresh == 0 and set(plan.why.values()) == {f"made with means {'a' * 12}, now means {'c' * 12}"}
    with pytest.raises(UserError, match="are missing or stale .*now means cccc"):
        open_latents(
            str(encoded / "latents"), open_dataset(str(encoded)), settings(), encoders=MeantIds(video=other.video)
        )


def test_another_shard_makes_its_own_stale_and_no_other(tmp_path):
    samples = [make_sample(i, "train", SHAPES[0]) for i in range(6)]
    folder = write_set(tmp_path / "set", samples)
    run(folder, folder / "latents")
    before = digests(folder / "latents")
    changed = make_sample(5, "train", SHAPES[1])
    write_set(folder, [*samples[:5], changed])
    with pytest.raises(UserError, match=r"latents of 1 of 2 shards .*train-000001.tar: its shard has changed"):
        opened(folder)
    plan = run(folder, folder / "latents")
    assert plan.why == {"train-000001.tar": "its shard has changed since"} and plan.fresh == 1
    assert digests(folder / "latents")["train-000000.tar"] == before["train-000000.tar"]
    assert changed.key in opened(folder)


def test_shards_that_are_gone_take_theirs_with_them(copied):
    out = copied / "latents"
    shutil.copy(out / "val-000000.tar", out / "val-000009.tar")
    shutil.copy(out / "val-000000.json", out / "val-000009.json")
    (out / "notes-of-mine.tar").write_bytes(b"not ours")
    plan_latents(str(copied), out, SETTINGS, IDS)
    assert not (out / "val-000009.tar").exists() and not (out / "val-000009.json").exists()
    assert (out / "notes-of-mine.tar").exists()


def test_a_data_sets_own_folder_is_refused(copied):
    before = digests(copied / "shards")
    for out in (copied, copied / "shards"):
        with pytest.raises(UserError, match="a data set's own folder"):
            plan_latents(str(copied), out, SETTINGS, IDS)
    assert digests(copied / "shards") == before


def test_a_worker_with_other_weights_is_one_line(encoded, tmp_path):
    with pytest.raises(UserError, match="give all machines the same weights"):
        run(encoded, tmp_path / "out", load=Load(video_hash="d" * 64), ids=IDS)


def test_a_damaged_shard_is_one_line(copied, tmp_path):
    path = copied / "shards" / "train-000000.tar"
    raw = bytearray(path.read_bytes())
    raw[600:4000] = bytes(3400)
    path.write_bytes(raw)
    with pytest.raises(UserError, match="train-000000.tar is damaged"):
        run(copied, tmp_path / "out")
    assert not (tmp_path / "out" / "train-000000.json").exists()


@pytest.mark.parametrize(
    ("change", "reason"),
    [({"seed": 6}, "seed 5, now 6"), ({"buckets": BUCKETS.model_copy(update={"max_frames": 17})}, "max_frames 29")],
)
def test_a_loader_that_would_draw_other_windows_is_told(encoded, change, reason):
    with pytest.raises(UserError, match=f"missing or stale .*{reason}"):
        opened(encoded, **change)


def test_missing_latents_are_one_line(copied):
    (copied / "latents" / "train-000001.json").unlink()
    with pytest.raises(UserError, match=r"latents of 1 of \d shards are missing or stale \(train-000001.tar: missing"):
        opened(copied)
    assert opened(copied, split="val")
    shutil.rmtree(copied / "latents")
    with pytest.raises(UserError, match="train-000000.tar: missing"):
        opened(copied)


def test_damaged_or_unknown_latents_are_one_line(copied):
    latents = opened(copied)
    with pytest.raises(UserError, match="holds no latents of nobody"):
        latents.window("nobody", 0)
    path = copied / "latents" / "train-000000.tar"
    path.write_bytes(bytes(path.stat().st_size))
    with pytest.raises(UserError, match="train-000000.tar at .* is damaged") as told:
        latents.window(next(iter(latents._rows)), 0)
    assert "\n" not in str(told.value) and told.value.exit_code == 5
    next((copied / "latents").glob("null-text-*")).unlink()
    with pytest.raises(UserError, match="null-text-.* is missing"):
        latents.null_text()


@pytest.mark.parametrize("dtype", ["float16", "bfloat16", "float32"])
def test_tensors_keep_their_dtype_and_their_values(dtype):
    values = torch.randn(3, 5, generator=torch.Generator().manual_seed(0)) * 10
    stored = values.to(getattr(torch, dtype))
    raw = encode_tensor(values, dtype, instants=np.arange(4.0))
    back, arrays = decode_tensor(raw)
    assert back.dtype == stored.dtype and torch.equal(back, stored)
    np.testing.assert_array_equal(arrays["instants"], np.arange(4.0))
    assert raw == encode_tensor(values, dtype, instants=np.arange(4.0))


def test_what_does_not_fit_is_told_of():
    with pytest.raises(UserError, match="too large for float16: run .* --dtype bfloat16"):
        encode_tensor(torch.tensor([1e5]), "float16")
    assert decode_tensor(encode_tensor(torch.tensor([1e5]), "bfloat16"))[0].isfinite().all()


def test_motion_only_sets_have_their_texts_encoded(tmp_path):
    path = write_amass(tmp_path / "in" / "a.npz")
    path.with_suffix(".txt").write_text("a person walks\nsomeone strolls along\n")
    write_amass(tmp_path / "in" / "b.npz", seed=4)
    import_motion(tmp_path / "in", tmp_path / "set", settings=ImportSettings(val=0, test=0))
    run(tmp_path / "set", tmp_path / "set" / "latents")
    source = open_motion_only(str(tmp_path / "set"))
    latents = open_latents(str(tmp_path / "set" / "latents"), source, settings(), encoders=MEANT)
    said = {sample.key: sample.meta.captions for sample in source.samples()}
    assert len(latents) == len(said) == 2
    for key, captions in said.items():
        assert latents.num_texts(key) == len(captions)
        wanted = captions or ("",)
        for number, caption in enumerate(wanted):
            expected = Words().encode_text([caption])[0][0, : len(caption.split()) + 1]
            assert torch.equal(latents.text(key, number), expected)
    with pytest.raises(UserError, match="no video latents"):
        latents.window(next(iter(said)), 0)


@pytest.mark.parametrize("name", ["local", "ray"])
def test_executors_run_it(encoded, tmp_path, name):
    if name == "ray":
        from pipelines.engine.ray_executor import RayExecutor

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
    made, whole = digests(tmp_path / "out"), digests(encoded / "latents")
    assert len(made) == 5 and made.items() <= whole.items()

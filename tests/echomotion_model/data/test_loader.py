"""The loader: each sample once per epoch, exact resume, correct counts, one-line errors."""

from collections import Counter
from pathlib import Path

import fsspec
import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from echomotion_model.data.batch import TENSORS, Batch
from echomotion_model.data.loader import Loader
from humove.errors import EXIT_NO_SAMPLES, UserError
from shards.buckets import COLUMNS, BucketConfig, count_buckets
from shards.reader import open_dataset
from tests.echomotion_model.data.sets import (
    BUCKETS,
    TRAIN,
    compute_level,
    compute_point,
    make_loader_config,
    make_sample,
    write_set,
)

FITTING = len(TRAIN) - 3


def make_loader(folder: Path | str, *, rank: int = 0, ranks: int = 1, **changes: object) -> Loader:
    return Loader(open_dataset(str(folder)), make_loader_config(**changes), rank=rank, world_size=ranks)


def list_counted(batches: list[Batch]) -> list[str]:
    return [k for batch in batches for k, w in zip(batch.keys, batch.weight.tolist(), strict=True) if w]


def check_equal(a: Batch, b: Batch) -> None:
    assert (a.epoch, a.step, a.bucket, a.keys, a.captions) == (b.epoch, b.step, b.bucket, b.keys, b.captions)
    for name in TENSORS:
        assert torch.equal(getattr(a, name), getattr(b, name)), name


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_each_sample_once_an_epoch(mixed: Path, ranks: int, workers: int) -> None:
    loaders = [make_loader(mixed, rank=r, ranks=ranks, workers=workers) for r in range(ranks)]
    orders = []
    for epoch in range(2):
        batches = [list(each) for each in loaders]
        assert [len(each) for each in batches] == [loaders[0].steps_per_epoch] * ranks
        assert {batch.epoch for each in batches for batch in each} == {epoch}
        for together in zip(*batches, strict=True):
            assert len({(batch.step, batch.bucket, batch.video.shape) for batch in together}) == 1
        used = Counter(key for each in batches for key in list_counted(each))
        assert len(used) == FITTING and set(used.values()) == {1}
        repeats = sum(int((batch.weight == 0).sum()) for each in batches for batch in each)
        assert {each.padding for each in loaders} == {repeats}
        orders.append([batch.keys for batch in batches[0]])
    assert orders[0] != orders[1]


@pytest.mark.parametrize("split", ["train", "val"])
def test_used_and_left_out_samples_match_the_index(mixed: Path, split: str) -> None:
    dataset, each = open_dataset(str(mixed)), make_loader(mixed, split=split)
    expected = count_buckets(dataset.iterate_index_rows(list(COLUMNS)), BUCKETS)[split]
    assert each.counts == expected
    used = Counter(batch.bucket.name for batch in each for _ in batch.keys)
    assert dict(used) == expected["buckets"] and used.total() == expected["used"]
    if split == "train":
        assert expected["left_out"] == {"low_frame_rate": 1, "too_short": 1, "too_small": 1}


def test_a_built_data_set_is_used_as_counted(built: Path) -> None:
    config = BucketConfig(max_upscale=4)
    dataset = open_dataset(str(built))
    expected = count_buckets(dataset.iterate_index_rows(list(COLUMNS)), config)
    assert sum(row["used"] for row in expected.values()) == len(dataset)
    for split in dataset.doc.splits:
        each = make_loader(built, split=split, buckets=config, batch_size=2)
        batches = list(each)
        assert each.counts == expected[split]
        assert Counter(batch.bucket.name for batch in batches for _ in batch.keys) == expected[split]["buckets"]
        assert sorted(list_counted(batches)) == [
            r["key"] for r in dataset.iterate_index_rows(["key", "split"]) if r["split"] == split
        ]
        for batch in batches:
            for sample, key in enumerate(batch.keys):
                stored = dataset.get(key)
                row = int(batch.instants[sample, 0])
                np.testing.assert_allclose(batch.joints[sample, 0], stored.motion.joints[row], atol=1e-5)
                assert batch.captions[sample] == stored.meta["captions"]["full"]


def test_video_motion_and_keypoints_are_at_the_same_instants(mixed: Path) -> None:
    for batch in make_loader(mixed, split="train"):
        for b, (width, height) in enumerate(read_sizes(mixed, batch.keys)):
            instants = batch.instants[b].numpy()
            frames = np.floor(instants + 0.5)
            ground = batch.video[b].numpy().reshape(len(frames), -1)
            assert np.abs(np.median(ground, axis=1) - compute_level(frames)).max() < 4  # levels are 8 apart
            np.testing.assert_allclose(batch.transl[b, :, 0], 0.01 * instants, atol=1e-5)
            scale = max(batch.bucket.width / width, batch.bucket.height / height)
            moved = batch.keypoints[b, :, 0].numpy() - batch.keypoints[b, 0, 0].numpy()
            true = np.array([compute_point(t, width, height) for t in instants])
            np.testing.assert_allclose(moved, (true - true[0]) * scale, atol=0.2)
            assert batch.cam_intrinsics[b, 0, 0] == pytest.approx(
                scale * 0.5 * max(width, height) / np.tan(np.radians(55) / 2), rel=0.03
            )
        assert batch.shape_sources == ("proxy",) * len(batch.keys) and batch.keypoint_names == ("nose", "left_hip")
        assert batch.video.dtype == torch.uint8 and batch.valid.dtype == torch.bool
        assert (batch.confidence[~batch.valid] == 0).all()


def read_sizes(folder: Path, keys: tuple[str, ...]) -> list[tuple[int, int]]:
    rows = {row["key"]: (row["width"], row["height"]) for row in open_dataset(str(folder)).iterate_index_rows()}
    return [rows[key] for key in keys]


@pytest.fixture(scope="module")
def uninterrupted(mixed: Path) -> list[Batch]:
    """Three epochs in one process."""
    each = make_loader(mixed, batch_size=3)
    return [batch for _ in range(3) for batch in each]


@given(st.data())
@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_resumed_loader_yields_exactly_the_rest(mixed: Path, uninterrupted: list[Batch], data) -> None:
    stops = sorted(data.draw(st.lists(st.integers(0, len(uninterrupted) - 1), min_size=1, max_size=2)))
    state = None
    loaded: list[Batch] = []
    for stop in [*stops, len(uninterrupted)]:
        each = make_loader(mixed, batch_size=3)
        if state is not None:
            each.load_state_dict(state)
        while len(loaded) < stop:
            for batch in each:
                loaded.append(batch)
                if len(loaded) == stop:
                    break
        state = each.state_dict()
    for a, b in zip(loaded, uninterrupted, strict=True):
        check_equal(a, b)


@pytest.mark.parametrize(("before", "after"), [((2, 2), (1, 0)), ((1, 2), (3, 0)), ((3, 0), (1, 1))])
def test_a_run_resumes_with_other_ranks_and_workers(mixed: Path, before: tuple, after: tuple) -> None:
    """Samples that workers have read ahead at a stop are not counted as used."""
    used: Counter[str] = Counter()
    ranks, workers = before
    states = []
    for rank in range(ranks):
        each = make_loader(mixed, rank=rank, ranks=ranks, workers=workers)
        batches = iter(each)
        used.update(list_counted([next(batches), next(batches)]))
        states.append(each.state_dict())
    assert states == [states[0]] * ranks and states[0]["step"] == 2
    ranks, workers = after
    for rank in range(ranks):
        each = make_loader(mixed, rank=rank, ranks=ranks, workers=workers)
        each.load_state_dict(states[0])
        used.update(list_counted(list(each)))
    assert len(used) == FITTING and set(used.values()) == {1}


def test_workers_that_read_ahead_restart_at_the_position(mixed: Path) -> None:
    each = make_loader(mixed, workers=2, batch_size=3)
    start = each.state_dict()
    first = [batch.keys for batch in each]
    loaded = [next(iter(each)).keys]  # an interrupted iteration resumes
    loaded += [batch.keys for batch in each]
    assert sorted(k for keys in loaded for k in keys) == sorted(k for keys in first for k in keys)
    assert each.state_dict() == start | {"epoch": 2}
    each.load_state_dict(start)
    assert [batch.keys for batch in each] == first
    assert each.state_dict() == start | {"epoch": 1}


@pytest.mark.parametrize("change", [{"seed": 6}, {"batch_size": 3}, {"buckets": BucketConfig()}, {"split": "val"}])
def test_a_position_of_other_data_is_an_error(mixed: Path, change: dict) -> None:
    state = make_loader(mixed, buckets=BUCKETS.model_copy(update={"max_upscale": 40.0})).state_dict()
    changed = {"buckets": BUCKETS.model_copy(update={"max_upscale": 40.0})} | change
    if "buckets" in change:
        changed["buckets"] = BUCKETS
    with pytest.raises(UserError, match="was saved with other samples, buckets, seed or batch_size"):
        make_loader(mixed, **changed).load_state_dict(state)


def test_an_fsspec_url_loads_the_same(mixed: Path, uninterrupted: list[Batch]) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(mixed), "/loader/set", recursive=True)
    try:
        for workers in (0, 1):
            each = list(make_loader("memory://loader/set", batch_size=3, workers=workers))
            for a, b in zip(each, uninterrupted[: len(each)], strict=True):
                check_equal(a, b)
    finally:
        memory.rm("/loader", recursive=True)


def get_error(folder: Path, workers: int = 0, **changes: object) -> UserError:
    with pytest.raises(UserError) as caught:
        for _ in make_loader(folder, workers=workers, **changes):
            pass
    assert "\n" not in str(caught.value)
    return caught.value


@pytest.mark.parametrize("workers", [0, 1])
@pytest.mark.parametrize("damage", ["noise", "cut", "empty", "shifted"])
def test_a_corrupt_shard_is_one_line(damaged: Path, damage: str, workers: int) -> None:
    path = damaged / "shards" / "train-000001.tar"
    raw = path.read_bytes()
    bad = {"noise": b"\xff" * len(raw), "cut": raw[:1000], "empty": b"", "shifted": b"\0" * 512 + raw}[damage]
    path.write_bytes(bad)
    error = get_error(damaged, workers)
    assert f"{damaged}: shards/train-000001.tar is damaged at sample 0" in str(error)
    assert str(error).endswith("; restore it from a copy") and error.exit_code == 5


def test_noise_in_the_video_alone_is_one_line(damaged: Path) -> None:
    row = next(iter(open_dataset(str(damaged)).iterate_index_rows()))
    path = damaged / "shards" / row["shard"]
    raw = bytearray(path.read_bytes())
    raw[row["mp4_offset"] : row["mp4_offset"] + row["mp4_bytes"]] = b"\x55" * row["mp4_bytes"]
    path.write_bytes(raw)
    assert f"shards/{row['shard']} is damaged at sample {row['key']}" in str(get_error(damaged))


def test_a_missing_shard_is_one_line_at_the_start(damaged: Path) -> None:
    (damaged / "shards" / "train-000002.tar").unlink()
    with pytest.raises(UserError, match=r"shards/train-000002\.tar is missing; restore it from a copy$"):
        make_loader(damaged)


def test_a_shard_that_goes_missing_later_is_one_line(damaged: Path) -> None:
    each = make_loader(damaged, workers=1)
    (damaged / "shards" / "train-000002.tar").unlink()
    with pytest.raises(UserError, match=r"shards/train-000002\.tar is missing; restore it from a copy$"):
        list(each)


def test_unusable_settings_are_errors(mixed: Path) -> None:
    assert "no split 'dev'; it has train, val" in str(get_error(mixed, split="dev"))
    error = get_error(mixed, buckets=BucketConfig(max_upscale=1))
    assert "no sample of split 'train' fits a bucket (" in str(error) and error.exit_code == EXIT_NO_SAMPLES
    with pytest.raises(UserError, match="batch_size 4 does not divide by 3 ranks.*set it to 6"):
        make_loader(mixed, batch_size=4, ranks=3)


def test_different_keypoints_in_a_batch_are_an_error(tmp_path: Path) -> None:
    samples = [make_sample(0, "train", TRAIN[0]), make_sample(1, "train", TRAIN[0], ("left_hip",))]
    folder = write_set(tmp_path / "set", samples)
    assert "train on data of one pose estimator" in str(get_error(folder, batch_size=2))


def test_all_tensors_of_a_batch_move_to_a_device(mixed: Path) -> None:
    batch = next(iter(make_loader(mixed)))
    moved = batch.to("meta")
    assert {getattr(moved, name).device.type for name in TENSORS} == {"meta"} and moved.keys == batch.keys
    assert {name for name in Batch.__slots__ if isinstance(getattr(batch, name), torch.Tensor)} == set(TENSORS)

"""The loader as a whole: no sample lost or seen twice, resumed to the exact next one, counts that are true."""

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
from tests.echomotion_model.data.sets import BUCKETS, TRAIN, level, make_sample, point, settings, write_set

FITTING = len(TRAIN) - 3


def loader(folder: Path | str, *, rank: int = 0, ranks: int = 1, **changes: object) -> Loader:
    return Loader(open_dataset(str(folder)), settings(**changes), rank=rank, world_size=ranks)


def counted(batches: list[Batch]) -> list[str]:
    return [k for batch in batches for k, w in zip(batch.keys, batch.weight.tolist(), strict=True) if w]


def same(a: Batch, b: Batch) -> None:
    assert (a.epoch, a.step, a.bucket, a.keys, a.captions) == (b.epoch, b.step, b.bucket, b.keys, b.captions)
    for name in TENSORS:
        assert torch.equal(getattr(a, name), getattr(b, name)), name


@pytest.mark.parametrize("workers", [0, 1, 2])
@pytest.mark.parametrize("ranks", [1, 2, 3])
def test_each_sample_once_an_epoch(odd: Path, ranks: int, workers: int) -> None:
    loaders = [loader(odd, rank=r, ranks=ranks, workers=workers) for r in range(ranks)]
    orders = []
    for epoch in range(2):
        batches = [list(each) for each in loaders]
        assert [len(each) for each in batches] == [loaders[0].steps_per_epoch] * ranks
        assert {batch.epoch for each in batches for batch in each} == {epoch}
        for together in zip(*batches, strict=True):
            assert len({(batch.step, batch.bucket, batch.video.shape) for batch in together}) == 1
        seen = Counter(key for each in batches for key in counted(each))
        assert len(seen) == FITTING and set(seen.values()) == {1}
        repeats = sum(int((batch.weight == 0).sum()) for each in batches for batch in each)
        assert {each.padding for each in loaders} == {repeats}
        orders.append([batch.keys for batch in batches[0]])
    assert orders[0] != orders[1]


@pytest.mark.parametrize("split", ["train", "val"])
def test_what_is_used_and_left_out_is_what_the_index_foretells(odd: Path, split: str) -> None:
    dataset, each = open_dataset(str(odd)), loader(odd, split=split)
    foretold = count_buckets(dataset.index_rows(list(COLUMNS)), BUCKETS)[split]
    assert each.counts == foretold
    used = Counter(batch.bucket.name for batch in each for _ in batch.keys)
    assert dict(used) == foretold["buckets"] and used.total() == foretold["used"]
    if split == "train":
        assert foretold["left_out"] == {"low_frame_rate": 1, "too_short": 1, "too_small": 1}


def test_a_built_data_set_is_used_as_foretold(built: Path) -> None:
    config = BucketConfig(max_upscale=4)
    dataset = open_dataset(str(built))
    foretold = count_buckets(dataset.index_rows(list(COLUMNS)), config)
    assert sum(row["used"] for row in foretold.values()) == len(dataset)
    for split in dataset.doc.splits:
        each = loader(built, split=split, buckets=config, batch_size=2)
        batches = list(each)
        assert each.counts == foretold[split]
        assert Counter(batch.bucket.name for batch in batches for _ in batch.keys) == foretold[split]["buckets"]
        assert sorted(counted(batches)) == [
            r["key"] for r in dataset.index_rows(["key", "split"]) if r["split"] == split
        ]
        for batch in batches:
            for sample, key in enumerate(batch.keys):
                stored = dataset.get(key)
                row = int(batch.instants[sample, 0])
                np.testing.assert_allclose(batch.joints[sample, 0], stored.motion.joints[row], atol=1e-5)
                assert batch.captions[sample] == stored.meta["captions"]["full"]


def test_picture_motion_and_keypoints_are_of_one_instant(odd: Path) -> None:
    for batch in loader(odd, split="train"):
        for b, (width, height) in enumerate(sizes_of(odd, batch.keys)):
            instants = batch.instants[b].numpy()
            frames = np.floor(instants + 0.5)
            ground = batch.video[b].numpy().reshape(len(frames), -1)
            assert np.abs(np.median(ground, axis=1) - level(frames)).max() < 4  # levels are 8 apart
            np.testing.assert_allclose(batch.transl[b, :, 0], 0.01 * instants, atol=1e-5)
            scale = max(batch.bucket.width / width, batch.bucket.height / height)
            moved = batch.keypoints[b, :, 0].numpy() - batch.keypoints[b, 0, 0].numpy()
            true = np.array([point(t, width, height) for t in instants])
            np.testing.assert_allclose(moved, (true - true[0]) * scale, atol=0.2)
            assert batch.cam_intrinsics[b, 0, 0] == pytest.approx(
                scale * 0.5 * max(width, height) / np.tan(np.radians(55) / 2), rel=0.03
            )
        assert batch.shape_sources == ("proxy",) * len(batch.keys) and batch.keypoint_names == ("nose", "left_hip")
        assert batch.video.dtype == torch.uint8 and batch.valid.dtype == torch.bool
        assert (batch.confidence[~batch.valid] == 0).all()


def sizes_of(folder: Path, keys: tuple[str, ...]) -> list[tuple[int, int]]:
    rows = {row["key"]: (row["width"], row["height"]) for row in open_dataset(str(folder)).index_rows()}
    return [rows[key] for key in keys]


@pytest.fixture(scope="module")
def straight(odd: Path) -> list[Batch]:
    """Three epochs of one process."""
    each = loader(odd, batch_size=3)
    return [batch for _ in range(3) for batch in each]


@given(st.data())
@hypothesis_settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_resumed_anywhere_it_yields_exactly_the_rest(odd: Path, straight: list[Batch], data) -> None:
    stops = sorted(data.draw(st.lists(st.integers(0, len(straight) - 1), min_size=1, max_size=2)))
    state = None
    got: list[Batch] = []
    for stop in [*stops, len(straight)]:
        each = loader(odd, batch_size=3)
        if state is not None:
            each.load_state_dict(state)
        while len(got) < stop:
            for batch in each:
                got.append(batch)
                if len(got) == stop:
                    break
        state = each.state_dict()
    for a, b in zip(got, straight, strict=True):
        same(a, b)


@pytest.mark.parametrize(("before", "after"), [((2, 2), (1, 0)), ((1, 2), (3, 0)), ((3, 0), (1, 1))])
def test_a_run_goes_on_with_other_ranks_and_workers(odd: Path, before: tuple, after: tuple) -> None:
    """Read ahead by workers, and stopped in the midst: what was not handed out is not counted as seen."""
    seen: Counter[str] = Counter()
    ranks, workers = before
    states = []
    for rank in range(ranks):
        each = loader(odd, rank=rank, ranks=ranks, workers=workers)
        batches = iter(each)
        seen.update(counted([next(batches), next(batches)]))
        states.append(each.state_dict())
    assert states == [states[0]] * ranks and states[0]["step"] == 2
    ranks, workers = after
    for rank in range(ranks):
        each = loader(odd, rank=rank, ranks=ranks, workers=workers)
        each.load_state_dict(states[0])
        seen.update(counted(list(each)))
    assert len(seen) == FITTING and set(seen.values()) == {1}


def test_workers_that_read_ahead_begin_anew_where_they_are_told(odd: Path) -> None:
    each = loader(odd, workers=2, batch_size=3)
    start = each.state_dict()
    first = [batch.keys for batch in each]
    got = [next(iter(each)).keys]  # left in the midst, it goes on where it was
    got += [batch.keys for batch in each]
    assert sorted(k for keys in got for k in keys) == sorted(k for keys in first for k in keys)
    assert each.state_dict() == start | {"epoch": 2}
    each.load_state_dict(start)
    assert [batch.keys for batch in each] == first
    assert each.state_dict() == start | {"epoch": 1}


@pytest.mark.parametrize("change", [{"seed": 6}, {"batch_size": 3}, {"buckets": BucketConfig()}, {"split": "val"}])
def test_a_position_of_other_data_is_refused(odd: Path, change: dict) -> None:
    state = loader(odd, buckets=BUCKETS.model_copy(update={"max_upscale": 40.0})).state_dict()
    changed = {"buckets": BUCKETS.model_copy(update={"max_upscale": 40.0})} | change
    if "buckets" in change:
        changed["buckets"] = BUCKETS
    with pytest.raises(UserError, match="was saved with other samples, buckets, seed or batch_size"):
        loader(odd, **changed).load_state_dict(state)


def test_an_fsspec_url_loads_the_same(odd: Path, straight: list[Batch]) -> None:
    memory = fsspec.filesystem("memory")
    memory.put(str(odd), "/loader/set", recursive=True)
    try:
        for workers in (0, 1):
            each = list(loader("memory://loader/set", batch_size=3, workers=workers))
            for a, b in zip(each, straight[: len(each)], strict=True):
                same(a, b)
    finally:
        memory.rm("/loader", recursive=True)


def fails(folder: Path, workers: int = 0, **changes: object) -> UserError:
    with pytest.raises(UserError) as caught:
        for _ in loader(folder, workers=workers, **changes):
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
    error = fails(damaged, workers)
    assert f"{damaged}: shards/train-000001.tar is damaged at sample 0" in str(error)
    assert str(error).endswith("; restore it from a copy") and error.exit_code == 5


def test_noise_in_the_video_alone_is_one_line(damaged: Path) -> None:
    row = next(iter(open_dataset(str(damaged)).index_rows()))
    path = damaged / "shards" / row["shard"]
    raw = bytearray(path.read_bytes())
    raw[row["mp4_offset"] : row["mp4_offset"] + row["mp4_bytes"]] = b"\x55" * row["mp4_bytes"]
    path.write_bytes(raw)
    assert f"shards/{row['shard']} is damaged at sample {row['key']}" in str(fails(damaged))


def test_a_missing_shard_is_one_line_before_anything_is_read(damaged: Path) -> None:
    (damaged / "shards" / "train-000002.tar").unlink()
    with pytest.raises(UserError, match=r"shards/train-000002\.tar is missing; restore it from a copy$"):
        loader(damaged)


def test_a_shard_that_goes_missing_later_is_one_line(damaged: Path) -> None:
    each = loader(damaged, workers=1)
    (damaged / "shards" / "train-000002.tar").unlink()
    with pytest.raises(UserError, match=r"shards/train-000002\.tar is missing; restore it from a copy$"):
        list(each)


def test_what_cannot_be_loaded_is_said(odd: Path) -> None:
    assert "no split 'dev'; it has train, val" in str(fails(odd, split="dev"))
    error = fails(odd, buckets=BucketConfig(max_upscale=1))
    assert "no sample of split 'train' fits a bucket (" in str(error) and error.exit_code == EXIT_NO_SAMPLES
    with pytest.raises(UserError, match="batch_size 4 does not divide by 3 ranks.*set it to 6"):
        loader(odd, batch_size=4, ranks=3)


def test_keypoints_of_two_kinds_in_a_batch(tmp_path: Path) -> None:
    samples = [make_sample(0, "train", TRAIN[0]), make_sample(1, "train", TRAIN[0], ("left_hip",))]
    folder = write_set(tmp_path / "set", samples)
    assert "train on data of one pose estimator" in str(fails(folder, batch_size=2))


def test_a_batch_goes_to_a_device_whole(odd: Path) -> None:
    batch = next(iter(loader(odd)))
    moved = batch.to("meta")
    assert {getattr(moved, name).device.type for name in TENSORS} == {"meta"} and moved.keys == batch.keys
    assert {name for name in Batch.__slots__ if isinstance(getattr(batch, name), torch.Tensor)} == set(TENSORS)

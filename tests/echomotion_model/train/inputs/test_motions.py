"""Motion batches of paired and motion-only sets: order, resume and errors."""

from collections import Counter
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest
import torch

from echomotion_model.data.catalogue import SampleIndex
from echomotion_model.data.loader import Loader
from echomotion_model.motion.features import decode_features
from echomotion_model.train.inputs.motion_loader import MotionBatch, MotionLoader
from echomotion_model.train.inputs.motions import MotionIndex
from humove.errors import UserError
from shards.motion_only.dataset import MotionOnlyDataset, open_motion_only
from shards.reader import open_dataset
from tests.echomotion_model.data.sets import make_loader_config, make_set
from tests.echomotion_model.importing.sample_files import make_motion_set


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("paired") / "set")


@pytest.fixture(scope="module")
def motion_only(tmp_path_factory: pytest.TempPathFactory) -> MotionOnlyDataset:
    return open_motion_only(str(make_motion_set(tmp_path_factory.mktemp("motion_only"), people=4)))


def make_loader(index: MotionIndex, *, rank: int = 0, ranks: int = 1, workers: int = 0) -> MotionLoader:
    return MotionLoader(index, make_loader_config(workers=workers), 6, rank=rank, world_size=ranks)


def are_equal(a: MotionBatch, b: MotionBatch) -> bool:
    return (a.keys, a.captions) == (b.keys, b.captions) and torch.equal(a.features_BTD, b.features_BTD)


def test_paired_motion_equals_that_of_the_video_loader(paired: Path) -> None:
    dataset = open_dataset(str(paired))
    index = MotionIndex(dataset, (), make_loader_config())
    counts = SampleIndex(dataset, "train", make_loader_config().buckets).counts
    assert {bucket.name: len(rows) for bucket, rows in index.members.items()} == counts["buckets"]
    assert index.left_out == [counts["left_out"]]
    for motion, video in zip(make_loader(index), Loader(dataset, make_loader_config()), strict=True):
        assert (motion.keys, motion.captions, motion.bucket) == (video.keys, video.captions, video.bucket)
        decoded = decode_features(motion.features_BTD, video.rest_joints)
        torch.testing.assert_close(decoded.joints, video.joints, atol=1e-4, rtol=0)
        torch.testing.assert_close(decoded.transl, video.transl, atol=1e-5, rtol=0)


def test_every_motion_counts_once_per_epoch_with_any_ranks_and_workers(
    paired: Path, motion_only: MotionOnlyDataset
) -> None:
    index = MotionIndex(open_dataset(str(paired)), (motion_only,), make_loader_config())
    assert len(index) > len(MotionIndex(open_dataset(str(paired)), (), make_loader_config()))
    once: Counter[str] | None = None
    for ranks in (1, 2, 3):
        for workers in (0, 2):
            batches = chain.from_iterable(
                make_loader(index, rank=rank, ranks=ranks, workers=workers) for rank in range(ranks)
            )
            keys = Counter(k for b in batches for k, w in zip(b.keys, b.weight.tolist(), strict=True) if w)
            once = once or keys
            assert keys == once and set(keys.values()) == {1} and len(keys) == len(index)


def test_a_loader_resumes_from_any_position(paired: Path) -> None:
    index = MotionIndex(open_dataset(str(paired)), (), make_loader_config())
    first = make_loader(index, workers=2)
    batches = [*first, *first]
    for position in (1, len(batches) // 2, len(batches) // 2 + 1):
        stopped = make_loader(index, workers=2)
        endless = chain.from_iterable(repeat(stopped))
        for _ in range(position):
            next(endless)
        resumed = make_loader(index)
        resumed.load_state_dict(stopped.state_dict())
        rest = batches[position:]
        assert all(are_equal(a, b) for a, b in zip(chain(resumed, resumed), rest, strict=False))
    with pytest.raises(UserError, match="saved with other motions"):
        MotionLoader(index, make_loader_config(seed=6), 6).load_state_dict(stopped.state_dict())


def test_a_missing_or_damaged_shard_is_named(paired: Path, tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    index = MotionIndex(open_dataset(str(folder)), (), make_loader_config())
    row = int(np.concatenate(list(index.members.values()))[0])
    shard = folder / "shards" / index.get_row(row)["shard"]
    raw = shard.read_bytes()
    shard.write_bytes(raw[:1000])
    with pytest.raises(UserError, match=f"{shard.name} is damaged at sample .*; restore it from a copy"):
        index.read(row)
    shard.unlink()
    with pytest.raises(UserError, match=f"{shard.name} is missing"):
        index.read(row)


def test_ranks_that_do_not_divide_the_batch_are_an_error(paired: Path) -> None:
    index = MotionIndex(open_dataset(str(paired)), (), make_loader_config())
    with pytest.raises(UserError, match="set it to 8"):
        make_loader(index, ranks=4)

"""Motion of paired and of motion-only sets, in the order of one epoch, from any position."""

from collections import Counter
from itertools import chain, repeat
from pathlib import Path

import numpy as np
import pytest
import torch

from echomotion_model.data.catalogue import Catalogue
from echomotion_model.data.loader import Loader
from echomotion_model.motion.features import decode_features
from echomotion_model.train.motion_loader import MotionBatch, MotionLoader
from echomotion_model.train.motions import MotionCatalogue
from humove.errors import UserError
from shards.motion_only import MotionOnlyDataset, open_motion_only
from shards.reader import open_dataset
from tests.echomotion_model.data.sets import make_set, settings
from tests.echomotion_model.importing.made import make_motion_set


@pytest.fixture(scope="module")
def paired(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_set(tmp_path_factory.mktemp("paired") / "set")


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> MotionOnlyDataset:
    return open_motion_only(str(make_motion_set(tmp_path_factory.mktemp("alone"), people=4)))


def loader(catalogue: MotionCatalogue, *, rank: int = 0, ranks: int = 1, workers: int = 0) -> MotionLoader:
    return MotionLoader(catalogue, settings(workers=workers), 6, rank=rank, world_size=ranks)


def same(a: MotionBatch, b: MotionBatch) -> bool:
    return (a.keys, a.captions) == (b.keys, b.captions) and torch.equal(a.features_BTD, b.features_BTD)


def test_paired_motion_is_what_the_loader_of_pictures_gives_too(paired: Path) -> None:
    dataset = open_dataset(str(paired))
    catalogue = MotionCatalogue(dataset, (), settings())
    counts = Catalogue(dataset, "train", settings().buckets).counts
    assert {bucket.name: len(rows) for bucket, rows in catalogue.members.items()} == counts["buckets"]
    assert catalogue.left_out == [counts["left_out"]]
    for motion, pictures in zip(loader(catalogue), Loader(dataset, settings()), strict=True):
        assert (motion.keys, motion.captions, motion.bucket) == (pictures.keys, pictures.captions, pictures.bucket)
        decoded = decode_features(motion.features_BTD, pictures.rest_joints)
        torch.testing.assert_close(decoded.joints, pictures.joints, atol=1e-4, rtol=0)
        torch.testing.assert_close(decoded.transl, pictures.transl, atol=1e-5, rtol=0)


def test_every_motion_counts_once_an_epoch_whatever_the_ranks_and_readers(
    paired: Path, alone: MotionOnlyDataset
) -> None:
    catalogue = MotionCatalogue(open_dataset(str(paired)), (alone,), settings())
    assert len(catalogue) > len(MotionCatalogue(open_dataset(str(paired)), (), settings()))
    once: Counter[str] | None = None
    for ranks in (1, 2, 3):
        for workers in (0, 2):
            batches = chain.from_iterable(
                loader(catalogue, rank=rank, ranks=ranks, workers=workers) for rank in range(ranks)
            )
            keys = Counter(k for b in batches for k, w in zip(b.keys, b.weight.tolist(), strict=True) if w)
            once = once or keys
            assert keys == once and set(keys.values()) == {1} and len(keys) == len(catalogue)


def test_a_loader_goes_on_from_any_position(paired: Path) -> None:
    catalogue = MotionCatalogue(open_dataset(str(paired)), (), settings())
    first = loader(catalogue, workers=2)
    batches = [*first, *first]
    for position in (1, len(batches) // 2, len(batches) // 2 + 1):
        stopped = loader(catalogue, workers=2)
        endless = chain.from_iterable(repeat(stopped))
        for _ in range(position):
            next(endless)
        resumed = loader(catalogue)
        resumed.load_state_dict(stopped.state_dict())
        rest = batches[position:]
        assert all(same(a, b) for a, b in zip(chain(resumed, resumed), rest, strict=False))
    with pytest.raises(UserError, match="saved with other motions"):
        MotionLoader(catalogue, settings(seed=6), 6).load_state_dict(stopped.state_dict())


def test_a_missing_or_damaged_shard_is_named(paired: Path, tmp_path: Path) -> None:
    folder = make_set(tmp_path / "set")
    catalogue = MotionCatalogue(open_dataset(str(folder)), (), settings())
    row = int(np.concatenate(list(catalogue.members.values()))[0])
    shard = folder / "shards" / catalogue.place(row)["shard"]
    raw = shard.read_bytes()
    shard.write_bytes(raw[:1000])
    with pytest.raises(UserError, match=f"{shard.name} is damaged at sample .*; restore it from a copy"):
        catalogue.read(row)
    shard.unlink()
    with pytest.raises(UserError, match=f"{shard.name} is missing"):
        catalogue.read(row)


def test_ranks_that_a_batch_does_not_divide_by_are_told_of(paired: Path) -> None:
    catalogue = MotionCatalogue(open_dataset(str(paired)), (), settings())
    with pytest.raises(UserError, match="set it to 8"):
        loader(catalogue, ranks=4)

"""The order of an epoch: complete, equal over the ranks, and stable over versions."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echomotion_model.data.order import EpochOrder, RankStep
from shards.buckets import Bucket

SIZES = st.lists(st.integers(1, 23), min_size=1, max_size=6)


def make_members(sizes: list[int]) -> dict[Bucket, np.ndarray]:
    rows = np.random.default_rng(len(sizes)).permutation(sum(sizes))
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    return {Bucket(16 * (i + 1), 16, 17): np.sort(part) for i, part in enumerate(parts)}


def make_order(sizes: list[int], *, rank: int = 0, ranks: int = 1, share: int = 2, seed: int = 0, epoch: int = 0):
    return EpochOrder(
        make_members(sizes), seed=seed, epoch=epoch, batch_size=share * ranks, rank=rank, world_size=ranks
    )  # fmt: skip


def list_rows(steps: list[RankStep]) -> list[int]:
    return [row for step in steps for row, weight in zip(step.rows, step.weights, strict=True) if weight]


@given(SIZES, st.integers(1, 5), st.integers(1, 4), st.integers(0, 99), st.integers(0, 9))
def test_all_ranks_together_use_each_sample_once_in_equal_steps(sizes, ranks, share, seed, epoch) -> None:
    orders = [make_order(sizes, rank=r, ranks=ranks, share=share, seed=seed, epoch=epoch) for r in range(ranks)]
    steps = [list(each.iterate_steps()) for each in orders]
    assert Counter(row for each in steps for row in list_rows(each)) == Counter(range(sum(sizes)))
    assert {len(each) for each in steps} == {len(each) for each in orders} == {len(orders[0])}
    for together in zip(*steps, strict=True):
        assert len({(step.number, step.bucket, len(step.rows)) for step in together}) == 1
        assert 1 <= len(together[0].rows) <= share
    repeats = sum(step.weights.count(0.0) for each in steps for step in each)
    assert {each.padding for each in orders} == {repeats}
    assert repeats <= len(sizes) * (ranks - 1)
    for bucket, rows in make_members(sizes).items():
        assert {row for each in steps for step in each if step.bucket == bucket for row in step.rows} == set(rows)


@given(SIZES, st.integers(1, 3), st.data())
def test_a_later_start_gives_the_remaining_steps(sizes, ranks, data) -> None:
    each = make_order(sizes, ranks=ranks)
    first = data.draw(st.integers(0, len(each)))
    assert list(each.iterate_steps(first)) == list(each.iterate_steps())[first:]


@given(SIZES, st.integers(2, 6))
def test_ranks_share_the_steps_of_one_process(sizes, ranks) -> None:
    alone = list(make_order(sizes, ranks=1, share=2 * ranks).iterate_steps())
    parts = [list(make_order(sizes, ranks=ranks, rank=r).iterate_steps()) for r in range(ranks)]
    for number, step in enumerate(alone):
        assert sorted(step.rows) == sorted(list_rows([each[number] for each in parts]))


def test_seeds_and_epochs_shuffle_samples_and_steps() -> None:
    orders = {
        (s, e): list_rows(list(make_order([40, 30], seed=s, epoch=e).iterate_steps())) for s in (0, 1) for e in (0, 1)
    }
    assert len({tuple(rows) for rows in orders.values()}) == 4
    buckets = [step.bucket.width for step in make_order([40, 30]).iterate_steps()]
    assert buckets != sorted(buckets) and buckets != sorted(buckets, reverse=True)


def test_the_order_is_stable_over_versions() -> None:
    assert [step.rows for step in make_order([5, 4], seed=1, epoch=2).iterate_steps()] == [
        (7, 6),
        (4, 3),
        (5, 2),
        (0, 1),
        (8,),
    ]


def test_a_batch_that_the_ranks_do_not_divide_is_an_error() -> None:
    with pytest.raises(ValueError, match="must divide by the ranks"):
        EpochOrder(make_members([3]), seed=0, epoch=0, batch_size=3, rank=0, world_size=2)

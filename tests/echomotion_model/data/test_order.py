"""The order of an epoch: whole, even over the ranks, and the same for ever."""

from collections import Counter

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from echomotion_model.data.order import EpochOrder, Step
from shards.buckets import Bucket

SIZES = st.lists(st.integers(1, 23), min_size=1, max_size=6)


def members_of(sizes: list[int]) -> dict[Bucket, np.ndarray]:
    rows = np.random.default_rng(len(sizes)).permutation(sum(sizes))
    parts = np.split(rows, np.cumsum(sizes)[:-1])
    return {Bucket(16 * (i + 1), 16, 17): np.sort(part) for i, part in enumerate(parts)}


def order(sizes: list[int], *, rank: int = 0, ranks: int = 1, share: int = 2, seed: int = 0, epoch: int = 0):
    return EpochOrder(
        members_of(sizes), seed=seed, epoch=epoch, batch_size=share * ranks, rank=rank, world_size=ranks
    )  # fmt: skip


def real(steps: list[Step]) -> list[int]:
    return [row for step in steps for row, weight in zip(step.rows, step.weights, strict=True) if weight]


@given(SIZES, st.integers(1, 5), st.integers(1, 4), st.integers(0, 99), st.integers(0, 9))
def test_ranks_together_see_each_sample_once_in_equal_steps(sizes, ranks, share, seed, epoch) -> None:
    orders = [order(sizes, rank=r, ranks=ranks, share=share, seed=seed, epoch=epoch) for r in range(ranks)]
    steps = [list(each.steps()) for each in orders]
    assert Counter(row for each in steps for row in real(each)) == Counter(range(sum(sizes)))
    assert {len(each) for each in steps} == {len(each) for each in orders} == {len(orders[0])}
    for together in zip(*steps, strict=True):
        assert len({(step.number, step.bucket, len(step.rows)) for step in together}) == 1
        assert 1 <= len(together[0].rows) <= share
    repeats = sum(step.weights.count(0.0) for each in steps for step in each)
    assert {each.padding for each in orders} == {repeats}
    assert repeats <= len(sizes) * (ranks - 1)
    for bucket, rows in members_of(sizes).items():
        assert {row for each in steps for step in each if step.bucket == bucket for row in step.rows} == set(rows)


@given(SIZES, st.integers(1, 3), st.data())
def test_a_later_start_gives_the_rest(sizes, ranks, data) -> None:
    each = order(sizes, ranks=ranks)
    first = data.draw(st.integers(0, len(each)))
    assert list(each.steps(first)) == list(each.steps())[first:]


@given(SIZES, st.integers(2, 6))
def test_ranks_divide_the_very_steps_of_one_process(sizes, ranks) -> None:
    alone = list(order(sizes, ranks=1, share=2 * ranks).steps())
    parts = [list(order(sizes, ranks=ranks, rank=r).steps()) for r in range(ranks)]
    for number, step in enumerate(alone):
        assert sorted(step.rows) == sorted(real([each[number] for each in parts]))


def test_seeds_and_epochs_shuffle_samples_and_steps() -> None:
    seen = {(s, e): real(list(order([40, 30], seed=s, epoch=e).steps())) for s in (0, 1) for e in (0, 1)}
    assert len({tuple(rows) for rows in seen.values()}) == 4
    buckets = [step.bucket.width for step in order([40, 30]).steps()]
    assert buckets != sorted(buckets) and buckets != sorted(buckets, reverse=True)


def test_the_order_stays_the_same_over_versions() -> None:
    assert [step.rows for step in order([5, 4], seed=1, epoch=2).steps()] == [(7, 6), (4, 3), (5, 2), (0, 1), (8,)]


def test_a_batch_that_the_ranks_cannot_share_is_refused() -> None:
    with pytest.raises(ValueError, match="must divide by the ranks"):
        EpochOrder(members_of([3]), seed=0, epoch=0, batch_size=3, rank=0, world_size=2)

"""The simulation against cases that can be computed by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.bench_scale.simulation import Cluster, UnitCost, simulate_build


def make_cost(seconds: float, size: int = 0, pack_s: float = 0.0) -> UnitCost:
    return UnitCost(compute_s=seconds, source_bytes=size, record_bytes=0, kept_clips=1, pack_s=pack_s)


def make_cluster(machines: int = 1, workers: int = 1, **more: float) -> Cluster:
    return Cluster(machines=machines, workers=workers, **{"request_s": 0.0, "setup_s": 0.0, **more})


def test_one_worker_takes_the_sum() -> None:
    found = simulate_build([make_cost(3), make_cost(5), make_cost(2)], 3, make_cluster(driver_results_s=1e9))
    assert found.seconds == pytest.approx(10) and found.efficiency == pytest.approx(1)


def test_two_workers_share_and_the_longest_goes_first() -> None:
    found = simulate_build([make_cost(3), make_cost(5), make_cost(2)], 3, make_cluster(workers=2, driver_results_s=1e9))
    assert found.seconds == pytest.approx(5)


def test_a_download_takes_its_bytes_over_the_bandwidth() -> None:
    found = simulate_build([make_cost(1, size=1000)], 1, make_cluster(machine_bytes_s=100.0, driver_results_s=1e9))
    assert found.seconds == pytest.approx(11)


def test_packing_follows_the_batch() -> None:
    found = simulate_build([make_cost(4, pack_s=2.0)], 1, make_cluster(workers=3, driver_results_s=1e9))
    assert found.seconds == pytest.approx(6)


def test_a_slow_driver_is_the_limit() -> None:
    found = simulate_build([make_cost(0.001)], 1000, make_cluster(workers=64, driver_results_s=10.0))
    assert found.seconds > 90


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=30), st.integers(1, 8), st.integers(1, 8))
def test_no_cluster_is_faster_than_its_workers_or_its_longest_video(seconds, machines, workers) -> None:
    found = simulate_build([make_cost(s) for s in seconds], len(seconds), make_cluster(machines, workers))
    assert found.seconds >= max(sum(seconds) / (machines * workers), max(seconds)) * (1 - 1e-6) - 1e-3
    assert 0 < found.efficiency <= 1 + 1e-3


def test_without_costs_it_is_an_error() -> None:
    with pytest.raises(ValueError, match="no measured costs"):
        simulate_build([], 10, make_cluster())

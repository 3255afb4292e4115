"""The simulation against cases that can be computed by hand."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.bench_scale.simulation import Cluster, UnitCost, simulate


def cost(seconds: float, size: int = 0, pack_s: float = 0.0) -> UnitCost:
    return UnitCost(compute_s=seconds, source_bytes=size, record_bytes=0, kept_clips=1, pack_s=pack_s)


def cluster(machines: int = 1, workers: int = 1, **more: float) -> Cluster:
    return Cluster(machines=machines, workers=workers, **{"request_s": 0.0, "setup_s": 0.0, **more})


def test_one_worker_takes_the_sum() -> None:
    found = simulate([cost(3), cost(5), cost(2)], 3, cluster(driver_results_s=1e9))
    assert found.seconds == pytest.approx(10) and found.efficiency == pytest.approx(1)


def test_two_workers_share_and_the_longest_goes_first() -> None:
    found = simulate([cost(3), cost(5), cost(2)], 3, cluster(workers=2, driver_results_s=1e9))
    assert found.seconds == pytest.approx(5)


def test_a_download_takes_its_bytes_over_the_bandwidth() -> None:
    found = simulate([cost(1, size=1000)], 1, cluster(machine_bytes_s=100.0, driver_results_s=1e9))
    assert found.seconds == pytest.approx(11)


def test_packing_follows_the_batch() -> None:
    found = simulate([cost(4, pack_s=2.0)], 1, cluster(workers=3, driver_results_s=1e9))
    assert found.seconds == pytest.approx(6)


def test_a_slow_driver_is_the_limit() -> None:
    found = simulate([cost(0.001)], 1000, cluster(workers=64, driver_results_s=10.0))
    assert found.seconds > 90


@settings(max_examples=30, deadline=None)
@given(st.lists(st.floats(0.1, 100), min_size=1, max_size=30), st.integers(1, 8), st.integers(1, 8))
def test_no_cluster_is_faster_than_its_workers_or_its_longest_video(seconds, machines, workers) -> None:
    found = simulate([cost(s) for s in seconds], len(seconds), cluster(machines, workers))
    assert found.seconds >= max(sum(seconds) / (machines * workers), max(seconds)) * (1 - 1e-6) - 1e-3
    assert 0 < found.efficiency <= 1 + 1e-3


def test_without_costs_there_is_nothing_to_say() -> None:
    with pytest.raises(ValueError, match="no measured costs"):
        simulate([], 10, cluster())

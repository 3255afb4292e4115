"""The cores that a process may use: affinity, control groups, Slurm."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pipelines.engine.executors import cpus
from pipelines.engine.executors.cpus import count_usable_cpus, read_cgroup_quota


@pytest.fixture
def many_cores(monkeypatch, tmp_path) -> Path:
    """A machine of 16 cores without limits; returns the mount of its control groups."""
    (tmp_path / "cgroup").write_text("0::/job/step\n")
    mount = tmp_path / "mount"
    (mount / "job" / "step").mkdir(parents=True)
    monkeypatch.setattr(cpus, "CGROUP_FILE", tmp_path / "cgroup")
    monkeypatch.setattr(cpus, "CGROUP_MOUNT", mount)
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(16)), raising=False)
    monkeypatch.delenv("SLURM_CPUS_PER_TASK", raising=False)
    return mount


def test_without_limits_all_cores_count(many_cores) -> None:
    assert count_usable_cpus() == 16
    (many_cores / "job" / "step" / "cpu.max").write_text("max 100000\n")
    assert count_usable_cpus() == 16


@pytest.mark.parametrize(("quota", "cores"), [("250000", 3), ("50000", 1), ("400000", 4), ("9900000", 16)])
def test_a_quota_is_rounded_up(many_cores, quota: str, cores: int) -> None:
    (many_cores / "job" / "step" / "cpu.max").write_text(f"{quota} 100000\n")
    assert count_usable_cpus() == cores


def test_the_quota_of_an_outer_group_holds_too(many_cores) -> None:
    (many_cores / "job" / "step" / "cpu.max").write_text("800000 100000\n")
    (many_cores / "job" / "cpu.max").write_text("200000 100000\n")
    assert count_usable_cpus() == 2


@pytest.mark.parametrize("path", ["/docker/abc", "/"])
def test_version_1_and_a_path_of_the_host(tmp_path, path: str) -> None:
    """In a container the group's path may be the host's, with the container's limits at the mount itself."""
    (tmp_path / "cgroup").write_text(f"5:memory:{path}\n4:cpu,cpuacct:{path}\n1:name=systemd:{path}\n")
    group = tmp_path / "cpu,cpuacct"
    group.mkdir()
    (group / "cpu.cfs_quota_us").write_text("150000\n")
    (group / "cpu.cfs_period_us").write_text("100000\n")
    assert read_cgroup_quota(tmp_path / "cgroup", tmp_path) == 1.5
    (group / "cpu.cfs_quota_us").write_text("-1\n")
    assert read_cgroup_quota(tmp_path / "cgroup", tmp_path) is None


def test_slurm_grants_fewer(many_cores, monkeypatch) -> None:
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "6")
    assert count_usable_cpus() == 6
    monkeypatch.setenv("SLURM_CPUS_PER_TASK", "64")
    assert count_usable_cpus() == 16


def test_no_control_groups(many_cores, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr(cpus, "CGROUP_FILE", tmp_path / "missing")
    assert count_usable_cpus() == 16


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system has no affinity masks")
def test_a_process_bound_to_one_core_counts_one() -> None:
    core = min(os.sched_getaffinity(0))
    code = (
        f"import os; os.sched_setaffinity(0, {{{core}}}); "
        "from pipelines.engine.executors.cpus import count_usable_cpus; print(count_usable_cpus())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "1\n"

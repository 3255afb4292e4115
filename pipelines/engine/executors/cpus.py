"""The number of CPU cores that this process may use."""

import math
import os
from collections.abc import Iterator
from pathlib import Path

CGROUP_FILE = Path("/proc/self/cgroup")
CGROUP_MOUNT = Path("/sys/fs/cgroup")


def count_usable_cpus() -> int:
    """Return the least of the affinity mask, the cgroup quota and the Slurm allocation; at least 1."""
    limits = [_count_allowed_cores()]
    quota = read_cgroup_quota(CGROUP_FILE, CGROUP_MOUNT)
    if quota is not None:
        limits.append(math.ceil(quota))
    slurm = os.environ.get("SLURM_CPUS_PER_TASK", "")
    if slurm.isdecimal():
        limits.append(int(slurm))
    return max(1, min(limits))


def _count_allowed_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def read_cgroup_quota(cgroup_file: Path, mount: Path) -> float | None:
    """Return the cores that the cgroups of this process grant, the smallest of the chain; None without a limit.

    Reads version 2 (`cpu.max`) and version 1 (`cpu.cfs_quota_us`).
    """
    quotas = [q for folder in _list_cgroup_folders(cgroup_file, mount) if (q := _read_quota(folder)) is not None]
    return min(quotas, default=None)


def _list_cgroup_folders(cgroup_file: Path, mount: Path) -> Iterator[Path]:
    """Yield the folders of the CPU controllers, from this process's group up to the mount.

    In a container the group's path may be the host's and not exist below the mount; the mount itself then holds the
    container's limits.
    """
    try:
        lines = cgroup_file.read_text().splitlines()
    except OSError:  # no Linux
        return
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            roots = [mount]
        elif "cpu" in controllers.split(","):
            roots = [mount / controllers, mount / "cpu"]
        else:
            continue
        own = Path(path.lstrip("/"))
        for root in roots:
            yield from (root / part for part in (own, *own.parents))


def _read_quota(folder: Path) -> float | None:
    try:
        if (folder / "cpu.max").exists():
            quota, period = (folder / "cpu.max").read_text().split()
        else:
            quota = (folder / "cpu.cfs_quota_us").read_text().strip()
            period = (folder / "cpu.cfs_period_us").read_text().strip()
    except OSError:
        return None
    return float(quota) / float(period) if quota not in ("max", "-1") else None

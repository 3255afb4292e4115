"""A discrete-event simulation of a build on many machines, from times measured on one.

Each worker takes a unit, downloads it, computes, and saves its records; the driver receives results one after the
other. A measured batch is packed while the next one is measured. Not modelled: machines of different speed, lost
machines, and steps on GPUs.
"""

import heapq
from collections.abc import Sequence
from dataclasses import asdict, dataclass

import numpy as np


@dataclass(frozen=True, slots=True, kw_only=True)
class UnitCost:
    """The measured cost of one video."""

    compute_s: float
    """Seconds of one worker."""
    source_bytes: int
    record_bytes: int
    """Records and encoded clips, which go to the store."""
    kept_clips: int = 2
    pack_s: float = 0.0
    """Seconds of one worker to pack the kept clips."""

    def scale_to(self, factor: float) -> "UnitCost":
        """Scale to a video `factor` times as long."""
        return UnitCost(
            compute_s=self.compute_s * factor,
            source_bytes=round(self.source_bytes * factor),
            record_bytes=round(self.record_bytes * factor),
            kept_clips=self.kept_clips * max(1, round(factor / 5)),
            pack_s=self.pack_s * factor,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """Machines, and the store that they share."""

    machines: int
    workers: int
    """On each machine."""
    machine_bytes_s: float = 1.25e9
    """Bandwidth of one machine's network, shared by its workers."""
    store_bytes_s: float = 100e9
    """Bandwidth of the store, shared by all."""
    request_s: float = 0.02
    """Latency of one request to the store."""
    driver_results_s: float = 1000.0
    """Results that the driver receives per second."""
    setup_s: float = 5.0
    """Seconds to load models before a worker's first unit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """Duration and efficiency of a simulated build."""

    machines: int
    workers: int
    videos: int
    seconds: float
    efficiency: float
    """Share of the workers' time spent on computing."""

    def to_json(self) -> dict:
        return asdict(self)


_REQUESTS = 5
"""Requests per unit: the source, a check for earlier records, the records, the clips, and a part of the state."""
_OPEN_BATCHES = 3
"""As pipelines.jobs.build_loop.OPEN_BATCHES."""
_PACK_SHARE = 4
"""A shard is packed with this fraction of its machine's bandwidth, as few workers of a machine pack at a time."""
_AHEAD_S = 1.0
"""Tasks are submitted ahead: a worker idles only if the driver is further behind than this."""


def simulate_build(
    costs: Sequence[UnitCost],
    videos: int,
    cluster: Cluster,
    *,
    batch_videos: int = 10_000,
    shard_samples: int = 1000,
    seed: int = 0,
) -> Prediction:
    """Simulate a build of `videos` videos with costs drawn from those measured (each once, if there are as many).

    ValueError if there are no costs.
    """
    if not costs:
        raise ValueError("no measured costs to draw from")
    rng = np.random.default_rng(seed)
    drawn = np.arange(videos) if videos == len(costs) else rng.integers(len(costs), size=videos)
    total = cluster.machines * cluster.workers
    rate = min(cluster.machine_bytes_s / cluster.workers, cluster.store_bytes_s / total)
    compute = np.array([c.compute_s for c in costs])[drawn]
    moved = np.array([c.source_bytes + c.record_bytes for c in costs])[drawn]
    seconds = compute + moved / rate + _REQUESTS * cluster.request_s
    pack_rate = min(
        cluster.machine_bytes_s / min(_PACK_SHARE, cluster.workers), cluster.store_bytes_s / cluster.machines
    )
    packing = np.array([c.pack_s + 2 * c.record_bytes / pack_rate for c in costs])[drawn]
    kept = np.array([c.kept_clips for c in costs])[drawn]
    batches = []
    for start in range(0, videos, batch_videos):
        part = slice(start, start + batch_videos)
        shards = max(1, int(np.ceil(kept[part].sum() / shard_samples)))
        batches.append(
            _Batch(units=sorted(seconds[part].tolist()), pack=[float(packing[part].sum()) / shards] * shards)
        )
    end = _run_batches(batches, total, cluster)
    busy = float(compute.sum()) + sum(c.pack_s for c in (costs[i] for i in drawn))
    return Prediction(
        machines=cluster.machines,
        workers=cluster.workers,
        videos=videos,
        seconds=round(end, 3),
        efficiency=round(busy / (total * end), 4),
    )


@dataclass(slots=True, kw_only=True)
class _Batch:
    units: list[float]
    """Seconds of the units not submitted yet, the longest last."""
    pack: list[float]
    running: int = 0
    is_packing: bool = False


def _run_batches(batches: list[_Batch], workers: int, cluster: Cluster) -> float:
    """Process the ends of tasks in the order of time; return the time at which the last batch is packed."""
    ahead, active = list(reversed(batches)), []
    idle, driver, now = workers, 0.0, cluster.setup_s
    events: list[tuple[float, int, _Batch]] = []
    count = 0
    while True:
        while idle:
            task = _take_next_task(ahead, active)
            if task is None:
                break
            batch, cost = task
            batch.running += 1
            idle, count = idle - 1, count + 1
            heapq.heappush(events, (now + cost, count, batch))
        if not events:
            return now
        finished, _, batch = heapq.heappop(events)
        driver = max(driver, finished) + 1 / cluster.driver_results_s
        now = max(finished, driver - _AHEAD_S)
        batch.running -= 1
        idle += 1
        if not batch.units and not batch.running:
            if batch.is_packing and not batch.pack:
                active.remove(batch)
            elif batch is active[0]:
                batch.is_packing = True


def _take_next_task(ahead: list[_Batch], active: list[_Batch]) -> tuple[_Batch, float] | None:
    """Take a shard of a measured batch, else a unit of an open batch, the earlier before the later."""
    for batch in active:
        if batch is active[0] and not batch.units and not batch.running:
            batch.is_packing = True
        if batch.is_packing and batch.pack:
            return batch, batch.pack.pop()
    for batch in active:
        if batch.units:
            return batch, batch.units.pop()
    if ahead and len(active) < _OPEN_BATCHES:
        active.append(ahead.pop())
        return active[-1], active[-1].units.pop()
    return None

"""`humove bench-scale`: a line of JSON for each measure of how the engine scales."""

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from humove.errors import UserError
from humove.storage import open_store
from pipelines.bench_scale.curve import draw_curve
from pipelines.bench_scale.driver_work import make_plan
from pipelines.bench_scale.results_rate import measure_results
from pipelines.bench_scale.simulation import Cluster, UnitCost, simulate_build
from pipelines.bench_scale.synthetic import write_synthetic_set
from pipelines.engine.ledger import Ledger

VIDEO_SECONDS = 60.0
"""The mean length of the simulated videos; the samples, of two seconds, are not representative."""
MACHINES = (1, 2, 4, 8, 16, 32, 64)
_FOLDER_STAMP = "bench-scale"


def bench_scale(videos: int, folder: Path, samples: str, plot: Path | None, workers: int) -> Iterator[str]:
    """Yield the lines, each as soon as it is measured. `folder` is emptied first; `samples` are the videos whose times
    the simulation uses, "" for the toolkit's; `workers` are those of each simulated machine."""
    if folder.exists() and not (folder / _FOLDER_STAMP).exists() and any(folder.iterdir()):
        raise UserError(f"{folder} is not empty and not a bench folder; choose another")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    (folder / _FOLDER_STAMP).touch()
    for executor in ("local", "ray"):
        yield _format_line("driver", executor=executor, **measure_results(executor, 20_000))
    yield from _measure_driver_work(videos, folder)
    yield from _simulate_cluster(folder, samples, plot, workers)


def _format_line(measure: str, **figures: object) -> str:
    return json.dumps({"measure": measure, **figures})


def _measure_driver_work(videos: int, folder: Path) -> Iterator[str]:
    place = folder / "synthetic"
    write_synthetic_set(open_store(place), make_plan(), videos)
    for what in ("plan", "resume", "assemble"):  # each in its own process, to measure its peak memory
        command = [sys.executable, "-m", "pipelines.bench_scale.driver_work", what, str(place)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise UserError(f"bench-scale: {what} failed: {done.stderr.strip().splitlines()[-1]}")
        yield _format_line(what, **json.loads(done.stdout))
    shutil.rmtree(place)


def _simulate_cluster(folder: Path, samples: str, plot: Path | None, workers: int) -> Iterator[str]:
    if not samples:
        from pipelines.progress import make_reporter
        from pipelines.samples.maker import make_samples

        samples = str(folder / "videos")
        make_samples(Path(samples), report=make_reporter())
    (folder / "nothing").mkdir()
    (folder / "nothing" / "text.mp4").write_text("no video")
    fixed, fixed_of_two = (
        _time_build(str(folder / "nothing"), folder / f"fixed-{workers}", workers, allowed=(3,)) for workers in (1, 2)
    )
    one = _time_build(samples, folder / "one", 1)
    two = _time_build(samples, folder / "two", 2)
    yield _format_line("objects_per_video", **_count_objects(folder / "one"))
    measured = _read_costs(folder / "one")
    scale = (one - fixed) / sum(cost.compute_s for cost in measured)
    costs = [
        UnitCost(
            compute_s=cost.compute_s * scale, source_bytes=cost.source_bytes, record_bytes=cost.record_bytes,
            kept_clips=cost.kept_clips, pack_s=cost.pack_s,
        )
        for cost in measured
    ]  # fmt: skip
    here = Cluster(machines=1, workers=2, request_s=0.0, setup_s=fixed_of_two)
    predicted = simulate_build(costs, len(costs), here).seconds
    yield _format_line("simulate", check="2 workers", predicted_s=predicted, measured_s=round(two, 2),
                off=round(predicted / two - 1, 4), one_worker_s=round(one, 2))  # fmt: skip
    costs = [cost.scale_to(VIDEO_SECONDS / _compute_mean_seconds(folder / "one")) for cost in costs]
    curve = [simulate_build(costs, 100_000, Cluster(machines=n, workers=workers)) for n in MACHINES]
    for point in curve:
        yield _format_line("simulate", **point.to_json())
    if plot is not None:
        plot.write_text(draw_curve(curve), encoding="utf-8")


def _compute_mean_seconds(out: Path) -> float:
    """Compute the mean length of a build's readable videos, in seconds."""
    ledger, seconds = Ledger(open_store(out)), []
    for number in ledger.list_batch_numbers():
        for row in ledger.open_state(number).read().videos.to_pylist():
            if row["shots"]:
                seconds.append(json.loads(row["shots"])[-1]["times"][1])
    return sum(seconds) / len(seconds)


def _time_build(videos: str, out: Path, workers: int, allowed: tuple[int, ...] = ()) -> float:
    command = [sys.executable, "-m", "humove.cli", "build", videos, str(out), "--workers", str(workers)]
    start = time.monotonic()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode not in (0, *allowed):
        raise UserError(f"bench-scale: the build of {videos} failed: {done.stderr.strip().splitlines()[-1]}")
    return time.monotonic() - start


def _count_objects(out: Path) -> dict:
    ledger = Ledger(open_store(out))
    names = [entry.name for entry in ledger.store.list("ledger")]
    videos = sum(len(ledger.read_batch(number)) for number in ledger.list_batch_numbers())
    records = [name for name in names if name.startswith(("ledger/records/", "ledger/videos/"))]
    return {"videos": videos, "objects_per_video": round(len(records) / videos, 2), "others": len(names) - len(records)}


def _read_costs(out: Path) -> list[UnitCost]:
    """Read the cost of each video of a build: the CPU seconds measured by workers, and the bytes of its files."""
    ledger, costs = Ledger(open_store(out)), []
    sizes = {entry.name: entry.size for entry in ledger.store.list("ledger/records")}
    for number in ledger.list_batch_numbers():
        tables = ledger.open_state(number).read()
        seconds = {
            row["input_id"]: (row["cpu.scan"] or 0) + (row["cpu.split"] or 0) for row in tables.videos.to_pylist()
        }
        kept, encoded = dict.fromkeys(seconds, 0), dict.fromkeys(seconds, 0)
        for row in tables.clips.to_pylist():
            name = row["input_id"]
            seconds[name] += sum(value or 0 for column, value in row.items() if column.startswith("cpu."))
            seconds[name] += (json.loads(row["facts"]) if row["facts"] else {}).get("track", {}).get("decode_s", 0)
            kept[name] += bool(row["mp4_file"])
            encoded[name] += row["mp4_bytes"]
        for item in ledger.read_batch(number):
            name = item.input_id
            record = sizes.get(f"ledger/records/{name[:2]}/{name}.zip", 0)
            costs.append(
                UnitCost(
                    compute_s=max(seconds.get(name, 0), 1e-3), source_bytes=item.size,
                    record_bytes=record + encoded.get(name, 0), kept_clips=kept.get(name, 0),
                    pack_s=_PACK_S * kept.get(name, 0),
                )
            )  # fmt: skip
    return costs


_PACK_S = 0.02
"""Seconds to pack a clip: its arrays are unpacked and packed again, its bytes hashed."""

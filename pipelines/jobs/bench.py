"""CPU time of a build by kernel, in seconds per second of kept video, measured in one run.

Absolute times differ between machines and runs; compare the ratios.
"""

import ctypes
import json
import os
import resource
import shutil
import subprocess
import sys
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

from humove.errors import UserError
from humove.storage import open_store
from pipelines.engine.ledger import Ledger
from shards.reader import open_dataset

_PR_SET_CHILD_SUBREAPER = 36
KERNELS = ("scan decode", "full decode", "detect", "frame_quality", "landmarks", "fit", "quality", "caption", "encode")


def bench(videos: str, out: Path) -> None:
    """Build `videos` with one worker and with two, and print the table."""
    if out.exists() and not (out / "bench").exists() and any(out.iterdir()):
        raise UserError(f"{out} is not empty and not a bench folder; choose another")
    shutil.rmtree(out, ignore_errors=True)
    (out / "bench").mkdir(parents=True)
    if not videos:
        from pipelines.progress import make_reporter
        from pipelines.samples.maker import make_samples

        videos = str(out / "videos")
        make_samples(Path(videos), report=make_reporter())
    one, one_cpu = _time_build(videos, out / "one", 1)
    two, _ = _time_build(videos, out / "two", 2)
    kept = sum(row["duration_s"] for row in open_dataset(str(out / "one")).iterate_index_rows(["duration_s"]))
    kernels = sum_kernel_seconds(out / "one")
    total = sum(kernels.values())
    print(f"\n{kept:.1f} s of kept video; CPU seconds per second of it:")
    for name in KERNELS:
        print(f"  {name:<14} {kernels[name] / kept:7.3f}")
    print(f"  {'kernels':<14} {total / kept:7.3f}")
    print(f"  {'whole build':<14} {one_cpu / kept:7.3f}   {one_cpu / total:.2f} times the kernels")
    print(f"1 worker {one:.1f} s, 2 workers {two:.1f} s of wall clock: speed-up {one / two:.2f}")


def _time_build(videos: str, out: Path, workers: int) -> tuple[float, float]:
    """Run a build in a separate process; return its wall and CPU seconds, including workers and encoders."""
    _adopt_orphans()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    start = time.monotonic()
    command = [sys.executable, "-m", "humove.cli", "build", videos, str(out), "--workers", str(workers)]
    done = subprocess.run([*command, "--set", "dedup.near=off"], check=False, stdout=subprocess.DEVNULL)
    if done.returncode:
        raise UserError(f"bench: the build of {videos} ended with exit code {done.returncode}; see its output above")
    wall = time.monotonic() - start
    with suppress(ChildProcessError):
        while True:  # the server of the workers ends after the build
            os.wait()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _adopt_orphans() -> None:
    """Become the parent of processes whose parent ends, so that their CPU time is counted here too."""
    if sys.platform.startswith("linux"):  # elsewhere the build waits for its workers itself
        ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def sum_kernel_seconds(out: Path) -> Counter:
    """Sum the CPU seconds by kernel, as the workers measured them during the build."""
    ledger = Ledger(open_store(out))
    seconds: Counter = Counter()
    names = {"track": "detect", "frame_quality": "frame_quality", "pose2d": "landmarks", "motion": "fit",
             "quality": "quality", "caption": "caption", "encode": "encode"}  # fmt: skip
    for number in ledger.list_batch_numbers():
        tables = ledger.open_state(number).read()
        seconds["scan decode"] += sum(tables.videos["cpu.scan"].to_pylist())
        for step, kernel in names.items():
            if f"cpu.{step}" in tables.clips.column_names:
                seconds[kernel] += sum(value or 0.0 for value in tables.clips[f"cpu.{step}"].to_pylist())
        facts = (json.loads(text) for text in tables.clips["facts"].to_pylist() if text)
        seconds["full decode"] += sum(row.get("track", {}).get("decode_s", 0.0) for row in facts)
    return seconds

"""The rate limit holds over threads, over processes, and over a clock that jumps."""

import subprocess
import sys
import threading
import time
from pathlib import Path

from annotators.endpoint.pace import RateLimiter


def test_threads_take_turns() -> None:
    limiter, times = RateLimiter(1200), []  # one in 50 ms

    def turn() -> None:
        limiter.wait()
        times.append(time.monotonic())

    threads = [threading.Thread(target=turn) for _ in range(6)]
    start = time.monotonic()
    [t.start() for t in threads]
    [t.join() for t in threads]
    # The total, not each gap: a thread may be scheduled late.
    assert max(times) - min(times) > 0.2 and max(times) - start < 2


def test_processes_that_share_a_file_take_turns(tmp_path: Path) -> None:
    code = (
        "import sys, time; from pathlib import Path; from annotators.endpoint.pace import RateLimiter\n"
        "limiter = RateLimiter(600, Path(sys.argv[1]))\n"
        "for _ in range(4): limiter.wait(); print(time.time(), flush=True)"
    )
    asked = [sys.executable, "-c", code, str(tmp_path / "deep" / "pace")]
    both = [subprocess.Popen(asked, stdout=subprocess.PIPE, text=True) for _ in range(2)]
    times = sorted(float(line) for p in both for line in p.communicate()[0].split())
    assert len(times) == 8
    assert times[-1] - times[0] > 0.5  # 0.7 with a shared file, 0.3 with one each


def test_no_limit_means_no_wait() -> None:
    limiter, start = RateLimiter(0), time.monotonic()
    for _ in range(1000):
        limiter.wait()
    assert time.monotonic() - start < 0.2


def test_a_clock_that_was_set_back_and_a_damaged_file_cost_no_long_wait(tmp_path: Path) -> None:
    file = tmp_path / "pace"
    for text in (repr(time.time() + 1e6), "nan", "what is this"):
        file.write_text(text)
        start = time.monotonic()
        RateLimiter(600, file).wait()
        assert time.monotonic() - start < 0.2
        assert abs(float(file.read_text()) - time.time()) < 1

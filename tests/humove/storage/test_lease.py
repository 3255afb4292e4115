"""Exclusive access to a store."""

import json
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import pytest

from humove.errors import UserError
from humove.storage import Store, is_locked, lease, lock_store, open_store
from tests.s3_server import S3Server


@pytest.fixture
def short(monkeypatch) -> None:
    """Leases that expire while a test waits for it."""
    monkeypatch.setattr(lease, "LEASE_S", 1.5)
    monkeypatch.setattr(lease, "HEARTBEAT_S", 0.3)


def test_a_second_job_is_refused_and_a_third_may_follow(store: Store, short: None) -> None:
    with lock_store(store) as held:
        assert is_locked(store)
        with pytest.raises(UserError, match="is running there; wait for it"), lock_store(store):
            pytest.fail("two at once")
        held.check()
    assert not is_locked(store)
    with lock_store(store, "annotate"):
        pass


def test_a_lease_is_renewed_while_its_holder_runs(store: Store, short: None) -> None:
    with lock_store(store) as held:
        time.sleep(2.5)
        held.check()
        assert is_locked(store)


def leave_lease(store: Store, **fields: object) -> None:
    """Leave the lease of a holder on another machine that has ended."""
    now = time.time()
    document = {"owner": "other", "what": "build", "host": "elsewhere", "machine": "elsewhere", "pid": 1}
    store.write(lease.LOCK_FILE, json.dumps({**document, "renewed": now, "expires": now + 1.5, **fields}).encode())


@pytest.fixture(params=["s3", "memory"])
def remote(request) -> Store:
    if request.param == "s3":
        return open_store(f"{request.getfixturevalue('s3').make_bucket('leases')}/{time.time_ns()}")
    return open_store(f"memory://leases/{time.time_ns()}")


@pytest.mark.parametrize("fields", [{}, {"expires": 0.0}, {"expires": 4e9}])
def test_a_lease_without_renewal_is_taken_over_whatever_its_clock(
    remote: Store, short: None, fields: dict[str, float]
) -> None:
    leave_lease(remote, **fields)
    with lock_store(remote) as held:
        held.check()
        assert json.loads(remote.read(lease.LOCK_FILE))["owner"] != "other"
    assert not remote.exists(lease.LOCK_FILE)


def test_a_holder_whose_clock_is_an_hour_slow_keeps_its_lease(remote: Store, short: None) -> None:
    stop = threading.Event()

    def renew() -> None:
        while not stop.wait(0.1):
            leave_lease(remote, renewed=time.time() - 3600, expires=time.time() - 3600)

    leave_lease(remote, renewed=time.time() - 3600, expires=time.time() - 3600)
    thread = threading.Thread(target=renew)
    thread.start()
    try:
        with pytest.raises(UserError, match="a build on elsewhere .process 1. is running there"), lock_store(remote):
            pytest.fail("two at once")
    finally:
        stop.set()
        thread.join()


def test_a_killed_holder_of_this_machine_is_replaced_at_once(s3: S3Server) -> None:
    store = open_store(f"{s3.make_bucket('leases')}/killed-{time.time_ns()}")
    code = (
        "import os, signal, sys; from humove.storage import lock_store, open_store\n"
        "with lock_store(open_store(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    subprocess.run([sys.executable, "-c", code, store.location], check=False)
    assert store.exists(lease.LOCK_FILE) and not is_locked(store)
    started = time.monotonic()
    with lock_store(store):
        assert time.monotonic() - started < 5


@pytest.mark.parametrize("loss", ["taken", "deleted"])
def test_a_holder_is_notified_of_a_lost_lease(remote: Store, short: None, loss: str) -> None:
    lose: Callable[[], None] = {
        "taken": lambda: leave_lease(remote),
        "deleted": lambda: remote.delete([lease.LOCK_FILE]),
    }[loss]
    with pytest.raises(UserError, match="lost its lock"), lock_store(remote) as held:
        lose()
        time.sleep(1)
        with pytest.raises(UserError, match="this build lost its lock"):
            held.check()
    assert remote.exists(lease.LOCK_FILE) == (loss == "taken")


def test_an_unreachable_store_ends_the_lease(s3: S3Server, short: None) -> None:
    store = open_store(f"{s3.make_bucket('leases')}/silent-{time.time_ns()}")
    with pytest.raises(UserError, match="lost its lock"), lock_store(store) as held:
        s3.fail_next(1000, 403)
        time.sleep(2)
        with pytest.raises(UserError, match="could not be renewed"):
            held.check()
        s3.reset()


def test_one_of_many_simultaneous_jobs_gets_the_lease(s3: S3Server) -> None:
    store = open_store(f"{s3.make_bucket('leases')}/race-{time.time_ns()}")
    outcomes: list[str] = []

    def start() -> None:
        try:
            with lock_store(store):
                outcomes.append("held")
                time.sleep(8)
        except UserError:
            outcomes.append("refused")

    threads = [threading.Thread(target=start) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(outcomes) == ["held", "refused", "refused", "refused", "refused"]


def test_the_error_of_the_job_is_not_hidden_by_a_lost_lease(remote: Store, short: None) -> None:
    with pytest.raises(ZeroDivisionError), lock_store(remote):
        leave_lease(remote)
        time.sleep(0.7)
        raise ZeroDivisionError

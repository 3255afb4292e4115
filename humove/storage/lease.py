"""Exclusive access to a store: a file lock in a local folder, a renewed lease object in an object store."""

import fcntl
import json
import logging
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from humove.errors import UserError
from humove.storage.remote import RemoteStore
from humove.storage.store import Store

log = logging.getLogger(__name__)

LOCK_FILE = ".lock"
LEASE_S = 30.0
"""Seconds without renewal after which a lease may be taken over."""
HEARTBEAT_S = 5.0


class Lease:
    """The exclusive right to write to a store."""

    def check(self) -> None:
        """Raise UserError if another job took the lease over."""


@contextmanager
def lock_store(store: Store, what: str = "build") -> Iterator[Lease]:
    """Hold the lock of a store for a job of the kind `what`; UserError if another job holds it.

    A remote lease whose holder has ended is taken over: at once if it ran on this machine, else after LEASE_S. A
    holder that lost its lease gets a UserError from `check` or at the end of the block.
    """
    if store.is_local:
        with _lock_folder(store, what) as lease:
            yield lease
        return
    lease = _RemoteLease(store, what)
    lease.acquire()
    try:
        yield lease
        lease.check()
    finally:
        lease.release()


def is_locked(store: Store) -> bool:
    """Tell whether a job holds the store's lock now."""
    if store.is_local:
        try:
            with store.path(LOCK_FILE).open() as lock:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
        except OSError:
            return False
        return False
    holder = _read_holder(store)
    return holder is not None and not _is_gone(holder) and time.time() < holder.get("expires", 0)


@contextmanager
def _lock_folder(store: Store, what: str) -> Iterator[Lease]:
    path = store.path(LOCK_FILE)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        lock = path.open("w")
    except OSError as error:
        raise UserError(f"{store}: can't be locked ({error.strerror}); choose a place that you may write to") from error
    with lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise UserError(_format_held(store, what)) from error
        yield Lease()


class _RemoteLease(Lease):
    """A `.lock` object that names the holder and is rewritten every HEARTBEAT_S."""

    def __init__(self, store: RemoteStore, what: str) -> None:
        self._store, self._what = store, what
        self._owner = uuid.uuid4().hex
        self._renewed = 0.0
        self._lost = ""
        self._stop = threading.Event()
        self._mutex = threading.Lock()
        self._thread = threading.Thread(target=self._keep_renewing, name="lease", daemon=True)

    def acquire(self) -> None:
        """Create the lease, or take over an expired one. UserError if another job holds it."""
        while not self._create_lease():
            gone = self._watch_holder()
            if gone is not None and self._take_over(gone):
                break
        self._renewed = time.monotonic()
        if not self._is_ours():
            # A store without conditional writes accepts two creations: the later one holds the lease.
            raise UserError(_format_held(self._store, self._what, _read_holder(self._store)))
        self._thread.start()

    def check(self) -> None:
        if not self._lost and time.monotonic() - self._renewed > LEASE_S - HEARTBEAT_S:
            self._renew_lease()
        if not self._lost and time.monotonic() - self._renewed > LEASE_S:
            self._lost = f"it could not be renewed for {LEASE_S:.0f} s"
        if self._lost:
            raise UserError(
                f"{self._store}: this {self._what} lost its lock ({self._lost}); committed work is kept, run it again"
            )

    def release(self) -> None:
        """Stop renewing, and delete the lease if this job still holds it."""
        self._stop.set()
        self._thread.join(timeout=LEASE_S)
        try:
            if self._is_ours():
                self._store.delete([LOCK_FILE])
        except (ConnectionError, UserError):
            return  # it expires by itself

    def _create_lease(self) -> bool:
        if _read_holder(self._store) is not None:  # a store may lack conditional writes
            return False
        try:
            self._store.create(LOCK_FILE, self._make_document())
        except FileExistsError:
            return self._is_ours()  # a request is repeated if its answer was lost, and then finds its own lease
        return True

    def _is_ours(self) -> bool:
        return (_read_holder(self._store) or {}).get("owner") == self._owner

    def _watch_holder(self) -> dict[str, Any] | None:
        """Wait for the holder; return it if it does not renew the lease, None if the lease is gone.

        UserError if the holder renews it.
        """
        first = _read_holder(self._store)
        if first is None or _is_gone(first):
            return first
        # The holder's clock may be wrong, so the time without a renewal is measured here; if the lease expired long
        # ago by the clocks, two missed renewals are enough.
        wait_s = LEASE_S if time.time() < first.get("expires", 0) + LEASE_S else 2 * HEARTBEAT_S
        log.warning("%s: %s may have ended; waiting %.0f s", self._store, _format_holder(first), wait_s)
        started = time.monotonic()
        while time.monotonic() - started < wait_s:
            time.sleep(min(HEARTBEAT_S, wait_s) / 5)
            now = _read_holder(self._store)
            if now is None:
                return None
            if now != first:
                raise UserError(_format_held(self._store, self._what, now))
        return first

    def _take_over(self, gone: dict[str, Any]) -> bool:
        """Replace a holder that has ended; False if another job did so first."""
        try:
            tag = self._store.tag(LOCK_FILE)
            if _read_holder(self._store) != gone:
                return False
            self._store.replace_unchanged(LOCK_FILE, self._make_document(), tag)
        except FileNotFoundError:
            return False
        except FileExistsError:
            return self._is_ours()
        return True

    def _keep_renewing(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            self._renew_lease()
            if self._lost:
                return

    def _renew_lease(self) -> None:
        with self._mutex:
            try:
                tag = self._store.tag(LOCK_FILE)
                holder = _read_holder(self._store)
                if holder is None or holder.get("owner") != self._owner:
                    self._lost = f"{_format_holder(holder)} took it over" if holder else "it was deleted"
                    return
                self._store.replace_unchanged(LOCK_FILE, self._make_document(), tag)
                self._renewed = time.monotonic()
            except FileExistsError:
                if self._is_ours():
                    self._renewed = time.monotonic()
                else:
                    self._lost = "another job took it over"
            except FileNotFoundError:
                self._lost = "it was deleted"
            except (ConnectionError, UserError):
                return  # `check` raises if it lasts too long

    def _make_document(self) -> bytes:
        now = time.time()
        document = {
            "owner": self._owner,
            "what": self._what,
            "host": socket.gethostname(),
            "machine": _get_machine(),
            "pid": os.getpid(),
            "renewed": now,
            "expires": now + LEASE_S,
        }
        return json.dumps(document).encode()


def _read_holder(store: Store) -> dict[str, Any] | None:
    try:
        holder = json.loads(store.read(LOCK_FILE))
    except FileNotFoundError:
        return None
    except ValueError:
        return {}
    return holder if isinstance(holder, dict) else {}


def _is_gone(holder: dict[str, Any]) -> bool:
    """Tell whether the holder was a process of this machine that has ended."""
    if holder.get("machine") != _get_machine() or not isinstance(holder.get("pid"), int):
        return False
    try:
        os.kill(holder["pid"], 0)
    except ProcessLookupError:
        return True
    except PermissionError:
        return False
    return False


def _get_machine() -> str:
    """Return an id of this machine's process namespace: host name, boot id and pid namespace."""
    try:
        boot = Path("/proc/sys/kernel/random/boot_id").read_text().strip()
        namespace = os.readlink("/proc/self/ns/pid")
    except OSError:
        boot, namespace = str(uuid.getnode()), ""
    return f"{socket.gethostname()} {boot} {namespace}".strip()


def _format_holder(holder: dict[str, Any]) -> str:
    host, process = holder.get("host", "another machine"), holder.get("pid", "?")
    return f"a {holder.get('what', 'job')} on {host} (process {process})"


def _format_held(store: Store, what: str, holder: dict[str, Any] | None = None) -> str:
    who = f"another {what} is running there" if not holder else f"{_format_holder(holder)} is running there"
    return f"OUT={store}: {who}; wait for it or choose another OUT"

"""One job at a time on a store: a file lock in a local folder, a lease object that is renewed elsewhere."""

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
"""A lease that was not renewed for so long may be taken over."""
HEARTBEAT_S = 5.0


class Lease:
    """The right to write to a store. `check` raises UserError once it was lost."""

    def check(self) -> None:
        """Nothing where the lease is still held; UserError where another job took it over."""


@contextmanager
def lock_store(store: Store, what: str = "build") -> Iterator[Lease]:
    """One `what` at a time on a store; UserError where there is another.

    A remote lease whose holder is gone is taken over: at once where it ran on this machine, else after LEASE_S. A
    holder that lost its lease learns so from `check`, or from the UserError at the end of the block.
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
    """Whether a job holds the store's lock at this moment."""
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
    """A `.lock` object that says who holds the store, written anew every HEARTBEAT_S."""

    def __init__(self, store: RemoteStore, what: str) -> None:
        self._store, self._what = store, what
        self._owner = uuid.uuid4().hex
        self._renewed = 0.0
        self._lost = ""
        self._stop = threading.Event()
        self._mutex = threading.Lock()
        self._thread = threading.Thread(target=self._beat, name="lease", daemon=True)

    def acquire(self) -> None:
        """Create the lease, or take over one that nobody renews. UserError where another job holds it."""
        while not self._create():
            gone = self._watch_holder()
            if gone is not None and self._take_over(gone):
                break
        self._renewed = time.monotonic()
        if not self._is_ours():
            # A store without conditional writes let two of them through: the later one holds the lease.
            raise UserError(_format_held(self._store, self._what, _read_holder(self._store)))
        self._thread.start()

    def check(self) -> None:
        if not self._lost and time.monotonic() - self._renewed > LEASE_S - HEARTBEAT_S:
            self._renew()
        if not self._lost and time.monotonic() - self._renewed > LEASE_S:
            self._lost = f"it could not be renewed for {LEASE_S:.0f} s"
        if self._lost:
            raise UserError(
                f"{self._store}: this {self._what} lost its lock ({self._lost}); what it committed stays, run it again"
            )

    def release(self) -> None:
        """Stop renewing, and delete the lease where it is still ours."""
        self._stop.set()
        self._thread.join(timeout=LEASE_S)
        try:
            if self._is_ours():
                self._store.delete([LOCK_FILE])
        except (ConnectionError, UserError):
            return  # it expires by itself

    def _create(self) -> bool:
        if _read_holder(self._store) is not None:  # a store may know no conditional writes
            return False
        try:
            self._store.create(LOCK_FILE, self._document())
        except FileExistsError:
            return self._is_ours()  # a request whose answer was lost is sent again, and finds its own lease
        return True

    def _is_ours(self) -> bool:
        return (_read_holder(self._store) or {}).get("owner") == self._owner

    def _watch_holder(self) -> dict[str, Any] | None:
        """The holder that did not renew the lease for long enough; None where the lease is gone.

        UserError where the holder renews it.
        """
        first = _read_holder(self._store)
        if first is None or _is_gone(first):
            return first
        # The holder's clock may be wrong, so the time without a renewal is measured here; where the lease ended long
        # ago by the clocks, two missed renewals are enough.
        patience = LEASE_S if time.time() < first.get("expires", 0) + LEASE_S else 2 * HEARTBEAT_S
        log.warning("%s: %s may have ended; waiting %.0f s", self._store, _format_holder(first), patience)
        started = time.monotonic()
        while time.monotonic() - started < patience:
            time.sleep(min(HEARTBEAT_S, patience) / 5)
            now = _read_holder(self._store)
            if now is None:
                return None
            if now != first:
                raise UserError(_format_held(self._store, self._what, now))
        return first

    def _take_over(self, gone: dict[str, Any]) -> bool:
        """Write this owner over one that is gone; False where another job was faster."""
        try:
            tag = self._store.tag(LOCK_FILE)
            if _read_holder(self._store) != gone:
                return False
            self._store.replace_unchanged(LOCK_FILE, self._document(), tag)
        except FileNotFoundError:
            return False
        except FileExistsError:
            return self._is_ours()
        return True

    def _beat(self) -> None:
        while not self._stop.wait(HEARTBEAT_S):
            self._renew()
            if self._lost:
                return

    def _renew(self) -> None:
        with self._mutex:
            try:
                tag = self._store.tag(LOCK_FILE)
                holder = _read_holder(self._store)
                if holder is None or holder.get("owner") != self._owner:
                    self._lost = f"{_format_holder(holder)} took it over" if holder else "it was deleted"
                    return
                self._store.replace_unchanged(LOCK_FILE, self._document(), tag)
                self._renewed = time.monotonic()
            except FileExistsError:
                if self._is_ours():
                    self._renewed = time.monotonic()
                else:
                    self._lost = "another job took it over"
            except FileNotFoundError:
                self._lost = "it was deleted"
            except (ConnectionError, UserError):
                return  # `check` tells when it lasts too long

    def _document(self) -> bytes:
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
    """Whether the holder was a process of this machine that has ended."""
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
    """What tells this machine's processes from those of others: its name, its boot and its process namespace."""
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

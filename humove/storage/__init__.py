"""Storage behind one interface: a local folder, or an object store (s3://, gs://)."""

from humove.storage.lease import Lease, is_locked, lock_store
from humove.storage.store import Store, StoreEntry, open_store, require_writable

__all__ = ["Lease", "Store", "StoreEntry", "is_locked", "lock_store", "open_store", "require_writable"]

"""Where files lie: a folder of this machine, or an object store (s3://, gs://), behind one interface."""

from humove.storage.lease import Lease, is_locked, lock_store
from humove.storage.store import Entry, Store, open_store, require_writable

__all__ = ["Entry", "Lease", "Store", "is_locked", "lock_store", "open_store", "require_writable"]

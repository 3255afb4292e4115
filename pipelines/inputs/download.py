"""Downloads of remote files, retried where a server fails."""

import random
import time
from dataclasses import dataclass
from pathlib import Path

from pipelines.inputs.addresses import hide_credentials, is_http
from pipelines.inputs.errors import RetryableError, SourceUnavailable
from pipelines.inputs.http_source import HttpTransfer
from pipelines.inputs.store_source import StoreTransfer
from pipelines.inputs.versions import UNKNOWN

_PROGRESS_BYTES = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """The number of retries of a failing server, and the waits between them."""

    tries: int = 5
    """Consecutive attempts without progress, the first one included."""
    max_wait_s: float = 60.0
    """The longest wait between two attempts, even where the server asks for more."""
    timeout_s: float = 60.0
    """The longest time without data from a server."""


def download(
    location: str, path: Path, *, size: int = 0, stamp: str = UNKNOWN, retries: RetryPolicy | None = None
) -> None:
    """Download the file at a URL to `path`.

    `size` and `stamp` are those of the listing. Raises SourceUnavailable for another version, a missing or a refused
    file, and ConnectionError in one line where the server still fails at the last attempt.
    """
    retries = retries or RetryPolicy()
    make = HttpTransfer if is_http(location) else StoreTransfer
    transfer = make(location, path, size=size, stamp=stamp, timeout_s=retries.timeout_s)
    failures = furthest = 0
    while True:
        try:
            transfer.try_download()
            return
        except SourceUnavailable as e:
            raise SourceUnavailable(e.reason, f"{e}: {hide_credentials(location)}") from e
        except ConnectionError as e:
            raise ConnectionError(f"{hide_credentials(location)}: {e}") from e
        except RetryableError as e:
            failures += 1
            if transfer.received >= furthest + _PROGRESS_BYTES:
                failures, furthest = 1, transfer.received
            if failures >= retries.tries:
                raise ConnectionError(f"{hide_credentials(location)}: {e}; {failures} attempts") from e
            wait_s = min(2.0 ** (failures - 1), retries.max_wait_s) * random.uniform(0.5, 1.0)
            time.sleep(min(max(wait_s, e.wait_s or 0.0), retries.max_wait_s))

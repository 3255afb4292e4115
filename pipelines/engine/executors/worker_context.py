"""The start of worker processes: forked from a server with the common imports, where forking is safe."""

import multiprocessing
import sys
from multiprocessing.context import BaseContext

PRELOADED = "pipelines.engine.executors.worker_imports"


def get_worker_context() -> BaseContext:
    """Return the multiprocessing context of worker processes.

    On Linux a server imports the modules once and the workers share its memory. Elsewhere, notably on macOS, whose
    system libraries do not survive a fork, each worker is spawned.
    """
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])  # no effect where the server already runs
    return context

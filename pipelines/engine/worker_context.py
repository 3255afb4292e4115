"""How worker processes start: forked from a server that has imported what every worker needs, where that is safe."""

import multiprocessing
import sys
from multiprocessing.context import BaseContext

PRELOADED = "pipelines.engine.worker_imports"


def worker_context() -> BaseContext:
    """Return the multiprocessing context of worker processes.

    On Linux the modules are imported once, by the server, and the workers share their memory. Elsewhere, notably on
    macOS, whose system libraries do not survive a fork, each worker starts anew.
    """
    if not sys.platform.startswith("linux"):
        return multiprocessing.get_context("spawn")
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([PRELOADED])  # of no effect where the server runs already
    return context

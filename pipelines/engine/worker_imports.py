"""What every worker imports, in one module: see worker_context.py. Starts no thread of a kernel."""

import gc

from pipelines.engine.worker_process import limit_threads

limit_threads()  # before numpy and torch, which read the number of their threads when they are imported

import roma  # noqa: E402, F401

import annotators.blazepose.pose2d  # noqa: E402
import annotators.blazepose.tracks  # noqa: E402
import annotators.landmark_fit.annotator  # noqa: E402, F401
import pipelines.assembly.pack  # noqa: E402
import pipelines.engine.measure  # noqa: E402, F401

gc.collect()
gc.freeze()  # the workers' garbage collectors leave these objects alone, so that their pages stay shared

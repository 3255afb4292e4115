"""The imports that all workers share (see worker_context.py). Starts no kernel threads."""

import gc

from pipelines.engine.executors.worker_process import limit_threads

limit_threads()  # before numpy and torch, which read their number of threads at import

import roma  # noqa: E402, F401

import annotators.blazepose.pose2d  # noqa: E402
import annotators.blazepose.tracks  # noqa: E402
import annotators.landmark_fit.clip  # noqa: E402
import annotators.landmark_fit.model  # noqa: E402
import annotators.motion_quality.measure  # noqa: E402, F401
import pipelines.assembly.pack  # noqa: E402
import pipelines.engine.measure  # noqa: E402, F401

gc.collect()
gc.freeze()  # the garbage collectors of workers ignore these objects, so that their pages stay shared

"""A process that holds one copy of a network and answers the clients of this machine: its main function."""

import os
import threading
import traceback
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from typing import Any

from annotators.network import Columns, Network
from humove.errors import UserError
from pipelines.engine.array_messages import receive_message, send_message
from pipelines.engine.batch_queue import BatchQueue
from pipelines.engine.worker_process import follow_parent, format_error, limit_threads

READY, FAILED = "ready", "failed"
EXIT_DEVICE_LOST = 3
_DEVICE_LOST = ("cuda error", "device-side assert", "cublas_status", "cudnn_status")
"""In the texts of exceptions after which a process can't use its GPU any more."""


def serve_network(network: Network, device: str, gpu: str, address: str, key: bytes, driver: Connection) -> None:
    """Load the network, tell the driver, and answer until the driver ends. `gpu`: "", or the one to use."""
    follow_parent()
    limit_threads()
    if gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    try:
        network.load(device)
    except Exception as error:  # reported by the driver, which goes on with the other copies
        driver.send((FAILED, describe_load_error(error)))
        return
    limit_threads()  # of the libraries that the network imported
    queue = BatchQueue(network)
    with Listener(address, family="AF_UNIX", backlog=512, authkey=key) as listener:
        driver.send((READY, ""))
        while True:
            try:
                connection = listener.accept()
            except (EOFError, OSError, AuthenticationError):  # a client that died, or was none of ours
                continue
            threading.Thread(target=_answer_all, args=(connection, network, queue), daemon=True).start()


def describe_load_error(error: Exception) -> str:
    """One line that says why a network could not be loaded."""
    return str(error) if isinstance(error, UserError) else format_error(error)


def answer(network: Network, queue: BatchQueue, method: str, columns: Columns) -> tuple[dict[str, Any], Columns]:
    """The fields of a `model_clients.Answer` to one call, and its columns."""
    try:
        if method == "constants":
            constants = network.constants()
            return {"names": list(constants)}, tuple(constants.values())
        outputs = queue.run(columns)
        return {"waiting": queue.num_waiting}, outputs
    except UserError as error:
        return {"user_error": str(error)}, ()
    except Exception as error:  # handed to the caller, whose rows they are
        if is_device_lost(error):
            os._exit(EXIT_DEVICE_LOST)  # the process that replaces this one has its GPU anew
        return {"fault": f"{format_error(error)}\n{traceback.format_exc()}"}, ()


def is_device_lost(error: BaseException) -> bool:
    """Whether it is a GPU's error that no later call in this process survives."""
    text = str(error).lower()
    return "out of memory" not in text and any(mark in text for mark in _DEVICE_LOST)


def _answer_all(connection: Connection, network: Network, queue: BatchQueue) -> None:
    """Answer the calls of one connection, one after the other."""
    with connection:
        try:
            while True:
                values, columns = receive_message(connection)
                send_message(connection, *answer(network, queue, values["method"], columns))
        except (EOFError, OSError):  # the client has ended
            return

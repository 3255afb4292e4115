"""The main function of a process that serves one copy of a network to the clients of this machine."""

import os
import threading
import traceback
from multiprocessing import AuthenticationError
from multiprocessing.connection import Connection, Listener
from typing import Any

from annotators.network import Columns, Network
from humove.errors import UserError
from pipelines.engine.executors.worker_process import end_with_parent, format_error, limit_threads
from pipelines.engine.models.array_messages import receive_message, send_message
from pipelines.engine.models.batch_queue import BatchQueue

READY, FAILED = "ready", "failed"
EXIT_DEVICE_LOST = 3
_DEVICE_LOST = ("cuda error", "device-side assert", "cublas_status", "cudnn_status")
"""Parts of the messages of exceptions after which a process can't use its GPU any more."""


def serve_network(network: Network, device: str, gpu: str, address: str, key: bytes, driver: Connection) -> None:
    """Load the network, notify the driver, and serve until the driver ends. `gpu`: the one to use, or ""."""
    end_with_parent()
    limit_threads()
    if gpu:
        os.environ["CUDA_VISIBLE_DEVICES"] = gpu
    try:
        network.load(device)
    except Exception as error:  # reported by the driver, which continues with the other copies
        driver.send((FAILED, describe_load_error(error)))
        return
    limit_threads()  # in the libraries that the network imported
    queue = BatchQueue(network)
    with Listener(address, family="AF_UNIX", backlog=512, authkey=key) as listener:
        driver.send((READY, ""))
        while True:
            try:
                connection = listener.accept()
            except (EOFError, OSError, AuthenticationError):  # a client that died or failed to authenticate
                continue
            threading.Thread(target=_serve_connection, args=(connection, network, queue), daemon=True).start()


def describe_load_error(error: Exception) -> str:
    """Return in one line why a network could not be loaded."""
    return str(error) if isinstance(error, UserError) else format_error(error)


def answer_call(network: Network, queue: BatchQueue, method: str, columns: Columns) -> tuple[dict[str, Any], Columns]:
    """Return the fields of a `clients.NetworkReply` to one call, and its columns."""
    try:
        if method == "constants":
            constants = network.constants()
            return {"names": list(constants)}, tuple(constants.values())
        outputs = queue.run(columns)
        return {"waiting": queue.num_waiting}, outputs
    except UserError as error:
        return {"user_error": str(error)}, ()
    except Exception as error:  # raised in the caller
        if is_device_lost(error):
            os._exit(EXIT_DEVICE_LOST)  # the replacing process can use the GPU again
        return {"fault": f"{format_error(error)}\n{traceback.format_exc()}"}, ()


def is_device_lost(error: BaseException) -> bool:
    """Whether a GPU error makes all later calls in this process fail."""
    text = str(error).lower()
    return "out of memory" not in text and any(part in text for part in _DEVICE_LOST)


def _serve_connection(connection: Connection, network: Network, queue: BatchQueue) -> None:
    """Answer the calls of one connection, one after the other."""
    with connection:
        try:
            while True:
                values, columns = receive_message(connection)
                send_message(connection, *answer_call(network, queue, values["method"], columns))
        except (EOFError, OSError):  # the client has ended
            return

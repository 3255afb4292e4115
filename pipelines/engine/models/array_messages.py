"""Messages with arrays over a connection between our own processes: a header in JSON, then the arrays' bytes.

Nothing is pickled. An array of arrays (`annotators.network.make_ragged_column`) is sent row by row.
"""

import json
import os
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from annotators.network import Columns, make_ragged_column

_MAX_HEADER = 64 << 20


def send_message(connection: Connection, values: dict[str, Any], columns: Columns = ()) -> None:
    """Send JSON values and arrays. Raises OSError where the other side is gone."""
    blocks: list[np.ndarray] = []
    described = [_describe_column(column, blocks) for column in columns]
    connection.send_bytes(json.dumps({"values": values, "columns": described}).encode())
    for block in blocks:
        _write_block(connection.fileno(), block)


def receive_message(connection: Connection) -> tuple[dict[str, Any], Columns]:
    """Receive the values and arrays of a message. Raises EOFError or OSError where the other side is gone."""
    header = json.loads(connection.recv_bytes(_MAX_HEADER))
    return header["values"], tuple(_read_column(connection.fileno(), row) for row in header["columns"])


def _describe_column(column: np.ndarray, blocks: list[np.ndarray]) -> dict[str, Any]:
    if column.dtype.hasobject:
        return {"rows": [_describe_column(row, blocks) for row in column]}
    blocks.append(np.ascontiguousarray(column).reshape(-1).view(np.uint8))
    return {"dtype": column.dtype.str, "shape": column.shape}


def _read_column(descriptor: int, row: dict[str, Any]) -> np.ndarray:
    if "rows" in row:
        return make_ragged_column([_read_column(descriptor, each) for each in row["rows"]])
    dtype = np.dtype(row["dtype"])
    if dtype.hasobject:
        raise ValueError(f"an array of {row['dtype']}; only plain numbers and texts are sent")
    array = np.empty(row["shape"], dtype)
    _read_block(descriptor, array.reshape(-1).view(np.uint8))
    return array


def _write_block(descriptor: int, block: np.ndarray) -> None:
    view = memoryview(block)
    while view.nbytes:
        view = view[os.write(descriptor, view) :]


def _read_block(descriptor: int, block: np.ndarray) -> None:
    view = memoryview(block)
    while view.nbytes:
        count = os.readv(descriptor, [view])
        if count == 0:
            raise EOFError("the connection ended within an array")
        view = view[count:]

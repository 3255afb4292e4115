"""Addresses without a data set: an error in one line for each kind."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from humove.errors import UserError
from shards.motion_only.dataset import open_motion_only
from shards.reader import open_dataset


@pytest.mark.parametrize("opened", [open_dataset, open_motion_only])
def test_an_address_that_cannot_be_read_is_one_line(opened, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    (tmp_path / "file").touch()
    for path, message in {
        "foo://bar": "Protocol not known: foo; give a folder, or an address such as s3://",
        f"http://127.0.0.1:{port}/set": "could not be read: .*; check the address",
        str(tmp_path / "none"): "holds no .*json; give the folder",
        str(tmp_path / "file"): "holds no .*json; give the folder",
    }.items():
        with pytest.raises(UserError, match=f"^{path}.*{message}") as caught:
            opened(path)
        assert "\n" not in str(caught.value)
    code = (  # in a process of its own: this one may have s3fs loaded
        f"import sys; sys.modules['s3fs'] = None\nfrom {opened.__module__} import {opened.__name__} as opened\n"
        "try: opened('s3://bucket/set')\nexcept Exception as error: print(type(error).__name__, error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("UserError s3://bucket/set: ")
    assert "install the extra for this store: make setup EXTRAS=s3" in done.stdout

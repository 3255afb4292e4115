"""An object store behind a real server: requests, retries, refusals."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from humove.errors import UserError
from humove.storage import open_store, require_writable
from humove.storage.remote import PART_BYTES
from tests.s3_server import S3Server, find_free_port


@pytest.fixture
def bucket(s3: S3Server) -> str:
    return s3.make_bucket("requests")


def test_each_read_is_one_request_for_its_bytes(s3: S3Server, bucket: str) -> None:
    store = open_store(f"{bucket}/set")
    store.write("a", bytes(1_000_000))
    s3.reset()
    store.read_range("a", 100, 1100)
    store.read("a")
    with store.open("a", 1_000_000) as f:
        f.seek(500_000)
        f.read(2000)
    assert [(one.method, one.span, one.bytes_out) for one in s3.requests()] == [
        ("GET", "bytes=100-1099", 1000),
        ("GET", "", 1_000_000),
        ("GET", "bytes=500000-501999", 2000),
    ]
    s3.reset()
    store.write("b", b"x")
    store.delete(["a", "b", "c"])
    assert [one.method for one in s3.requests()] == ["PUT", "POST"]


def test_a_big_file_is_uploaded_in_parts(s3: S3Server, bucket: str, tmp_path: Path) -> None:
    content = os.urandom(2 * PART_BYTES + 5)
    (tmp_path / "big").write_bytes(content)
    store = open_store(f"{bucket}/set")
    s3.fail_next(2, 503, request="PUT .*partNumber")
    s3.reset()
    s3.fail_next(1, 503, request="PUT .*partNumber")
    store.write_file("big", tmp_path / "big")
    assert len([one for one in s3.requests("PUT") if one.status == 200]) == 3
    s3.reset()
    store.fetch("big", tmp_path / "back")
    assert (tmp_path / "back").read_bytes() == content
    assert len(s3.requests()) == 1 and s3.count().bytes_out == len(content)


def test_an_upload_that_fails_leaves_nothing(s3: S3Server, bucket: str, tmp_path: Path) -> None:
    (tmp_path / "big").write_bytes(bytes(2 * PART_BYTES + 5))
    store = open_store(f"{bucket}/failed")
    s3.fail_next(1, 403, request="PUT .*partNumber=2")
    with pytest.raises(UserError, match="access is refused"):
        store.write_file("big", tmp_path / "big")
    assert store.list() == [] and (tmp_path / "big").exists()
    assert s3.requests("DELETE", "uploadId")  # its parts are given up


@pytest.mark.parametrize("status", [500, 503, 429])
def test_a_busy_store_is_retried(s3: S3Server, bucket: str, status: int) -> None:
    store = open_store(f"{bucket}/busy")
    s3.fail_next(2, status)
    store.write("a", b"x")
    s3.fail_next(2, status)
    assert store.read("a") == b"x"
    answers = [one.status for one in s3.requests("GET", "/busy/a")]
    assert answers.count(status) == 2 and answers[-1] == 200


def test_a_store_that_stays_busy_is_a_connection_error(s3: S3Server, bucket: str) -> None:
    s3.fail_next(100, 503)
    with pytest.raises(ConnectionError, match=f"{bucket}/busy/a: the store does not answer"):
        open_store(f"{bucket}/busy").read("a")
    assert 3 <= s3.count().requests <= 12


def test_a_missing_server_is_a_connection_error(s3: S3Server, bucket: str, monkeypatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{find_free_port()}")
    with pytest.raises(ConnectionError, match="does not answer"):
        open_store(f"{bucket}/x").read("a")
    with pytest.raises(UserError, match="does not answer.*; check the address"):
        require_writable(open_store(f"{bucket}/x"))


def test_a_missing_bucket_is_named(s3: S3Server) -> None:
    store = open_store("s3://no-such-bucket/set")
    for act in (lambda: store.read("a"), lambda: store.write("a", b""), store.list, lambda: require_writable(store)):
        with pytest.raises(UserError, match="s3://no-such-bucket/set: there is no such bucket") as caught:
            act()
        assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match="no such bucket"):
        open_store("s3://Not_A_Bucket!/set").read("a")


def test_refused_and_missing_credentials_name_their_source(s3: S3Server, bucket: str, monkeypatch) -> None:
    s3.fail_next(1, 403)
    with pytest.raises(UserError, match="access is refused.*AWS_ACCESS_KEY_ID.*AWS_ENDPOINT_URL"):
        open_store(f"{bucket}/set").read("a")
    monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    monkeypatch.delenv("AWS_SECRET_ACCESS_KEY")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", os.devnull)
    monkeypatch.setenv("AWS_CONFIG_FILE", os.devnull)
    with pytest.raises(UserError, match="no credentials.*AWS_ACCESS_KEY_ID"):
        open_store(f"{bucket}/set").read("a")


def test_a_missing_package_names_the_extra() -> None:
    code = (
        "import sys; sys.modules['s3fs'] = None\n"
        "from humove.errors import UserError\n"
        "from humove.storage import open_store\n"
        "try: open_store('s3://bucket/set')\n"
        "except UserError as error: print(error)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("s3://bucket/set: ") and "make setup EXTRAS=s3" in done.stdout


def test_an_unknown_protocol_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="nosuch://x: .*give a folder, or an address such as s3://bucket/set"):
        open_store("nosuch://x")


def test_a_local_folder_needs_no_fsspec() -> None:
    code = (
        "import sys; from humove.storage import open_store, lock_store; open_store('x').list()\n"
        "print([m for m in ('fsspec', 's3fs', 'aiohttp') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"

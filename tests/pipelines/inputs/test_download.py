"""Downloads from servers that fail, disconnect, refuse and send wrong data."""

import random
import time
import tracemalloc
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from pathlib import Path
from types import SimpleNamespace

import fsspec
import pytest
import s3fs

from humove.reasons import Reason
from pipelines.inputs import store_source
from pipelines.inputs.download import RetryPolicy, download
from pipelines.inputs.errors import SourceUnavailable
from pipelines.inputs.listing import list_inputs
from tests.pipelines.inputs.web_server import Failure, WebServer

BODY = random.Random(1).randbytes(3 << 20)
FAST_RETRIES = RetryPolicy(tries=3, max_wait_s=0.05, timeout_s=1)


def fetch_file(url: str, tmp_path: Path, **options: object) -> bytes:
    path = tmp_path / "copy"
    download(url, path, **{"retries": FAST_RETRIES, **options})
    return path.read_bytes()


@pytest.mark.parametrize("length", [True, False])
@pytest.mark.parametrize("body", [BODY, b"", b"x"])
def test_a_file_arrives_whole(web: WebServer, tmp_path: Path, length: bool, body: bytes) -> None:
    assert fetch_file(web.serve("/a.mp4", body, length=length), tmp_path) == body
    assert len(web.requests) == 1


@pytest.mark.parametrize("name", ["a vidéo 人+%.mp4", "b%20c.mp4", "d.mp4?sig=a%2Fb%3D&x=1+2"])
def test_odd_names_are_found(web: WebServer, tmp_path: Path, name: str) -> None:
    web.serve({"b%20c.mp4": "/b c.mp4"}.get(name, "/" + name.partition("?")[0]), b"here")
    assert fetch_file(f"{web.url}/{name}", tmp_path) == b"here"
    if "?" in name:
        assert web.requests[0].path == "/" + name  # a signature covers each character as it was given


@pytest.mark.parametrize(
    ("status", "message"),
    [(404, "not found"), (410, "not found"), (401, "not allowed"), (403, "not allowed"), (400, "answered HTTP 400")],
)
def test_missing_or_refused_files_are_rejected(web: WebServer, tmp_path: Path, status: int, message: str) -> None:
    with pytest.raises(SourceUnavailable, match=message) as caught:
        fetch_file(web.serve("/a.mp4", status=status).replace("http://", "http://me:hunter2@"), tmp_path)
    assert caught.value.reason is Reason.UNREADABLE
    assert "\n" not in str(caught.value) and "hunter2" not in str(caught.value)
    assert len(web.requests) == 1


@pytest.mark.parametrize(
    "failure",
    [
        Failure(status=429),
        Failure(status=500),
        Failure(status=503),
        Failure(status=408),
        Failure(cut=0),
        Failure(cut=1000),
        Failure(cut=2 << 20),
        Failure(cut=1 << 20, reset=True),
        Failure(cut=0, reset=True),
        Failure(cut=1 << 20, stall_s=3),
    ],
)
def test_temporary_failures_cost_only_time(web: WebServer, tmp_path: Path, failure: Failure) -> None:
    url = web.serve("/a.mp4", BODY, etag='"v1"', failures=[failure, failure])
    assert fetch_file(url, tmp_path) == BODY


@pytest.mark.parametrize("served", [{"status": 503}, {"failures": [Failure(cut=100)] * 3, "ranges": False}])
def test_a_server_that_stays_down_is_a_fault_in_one_line(web: WebServer, tmp_path: Path, served: dict) -> None:
    url = web.serve("/a.mp4", BODY, **served).replace("http://", "http://me:hunter2@")
    with pytest.raises(ConnectionError, match=r"/a.mp4: .*; 3 attempts") as caught:
        fetch_file(url, tmp_path)
    assert not isinstance(caught.value, SourceUnavailable)
    assert "\n" not in str(caught.value) and "hunter2" not in str(caught.value)
    assert len(web.list_requests()) == 3


@pytest.mark.parametrize("address", ["http://127.0.0.1:9/a.mp4", "http://nowhere.invalid/a.mp4"])
def test_a_server_out_of_reach_is_a_fault(tmp_path: Path, address: str) -> None:
    with pytest.raises(ConnectionError, match="3 attempts"):
        fetch_file(address, tmp_path)


def test_a_server_may_set_the_wait(web: WebServer, tmp_path: Path) -> None:
    url = web.serve("/a.mp4", b"x", failures=[Failure(status=429, headers={"Retry-After": "2"})])
    began = time.monotonic()
    fetch_file(url, tmp_path, retries=RetryPolicy(tries=2, max_wait_s=10))
    assert 2 <= time.monotonic() - began < 4
    later = format_datetime(datetime.now(UTC) + timedelta(hours=1), usegmt=True)
    url = web.serve("/b.mp4", b"x", failures=[Failure(status=503, headers={"Retry-After": later})])
    began = time.monotonic()
    fetch_file(url, tmp_path, retries=RetryPolicy(tries=2, max_wait_s=1))
    assert 1 <= time.monotonic() - began < 2


def test_waits_grow_until_their_limit(web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("pipelines.inputs.download.time", SimpleNamespace(sleep=waits.append))
    with pytest.raises(ConnectionError):
        fetch_file(web.serve("/a.mp4", status=500), tmp_path, retries=RetryPolicy(tries=6, max_wait_s=5))
    assert len(waits) == 5
    assert all(most / 2 <= wait <= most for wait, most in zip(waits, (1, 2, 4, 5, 5), strict=True))
    assert len(set(waits)) == 5  # jitter: many workers must not come back at the same moment


def test_a_broken_download_resumes(web: WebServer, tmp_path: Path) -> None:
    failures = [Failure(cut=1 << 20), Failure(cut=1 << 20)]
    assert fetch_file(web.serve("/a.mp4", BODY, etag='"v1"', failures=failures), tmp_path) == BODY
    spans = [r.span for r in web.list_requests()]
    assert spans[0] == "" and all(spans[1:])
    assert web.count_sent() <= 1.1 * len(BODY)


def test_a_download_that_makes_progress_is_not_given_up(web: WebServer, tmp_path: Path) -> None:
    body = BODY * 3
    failures = [Failure(cut=(1 << 20) + 300_000)] * 6
    assert fetch_file(web.serve("/a.mp4", body, etag='"v1"', failures=failures), tmp_path) == body


@pytest.mark.parametrize("served", [{"ranges": False, "etag": '"v1"'}, {}, {"etag": 'W/"v1"'}])
def test_a_download_that_can_t_resume_starts_again(web: WebServer, tmp_path: Path, served: dict) -> None:
    assert fetch_file(web.serve("/a.mp4", BODY, failures=[Failure(cut=1 << 20)], **served), tmp_path) == BODY


def test_a_file_replaced_between_two_attempts_is_not_mixed(web: WebServer, tmp_path: Path) -> None:
    class Replace(list):
        def pop(self, _: int) -> Failure:
            failure = super().pop(0)
            web.files["/a.mp4"].etag = f'"v{2 - len(self)}"'
            web.files["/a.mp4"].body = BODY if self else bytes(len(BODY))
            return failure

    url = web.serve("/a.mp4", BODY, etag='"v0"')
    web.files["/a.mp4"].failures = Replace([Failure(cut=1 << 20), Failure()])
    assert fetch_file(url, tmp_path) == bytes(len(BODY))
    web.serve("/a.mp4", BODY, etag='"v1"')
    web.files["/a.mp4"].failures = Replace([Failure(cut=1 << 20), Failure()])
    with pytest.raises(SourceUnavailable, match="has changed"):
        fetch_file(url, tmp_path, size=len(BODY), stamp=f"{len(BODY)}-v1")


def test_a_file_with_a_time_alone_is_not_mixed_either(web: WebServer, tmp_path: Path) -> None:
    class Replace(list):
        def pop(self, _: int) -> Failure:
            if len(self) == 1:
                web.serve("/a.mp4", bytes(len(BODY)), modified="Tue, 01 Jul 2025 10:00:01 GMT")
            return super().pop(0)

    url = web.serve("/a.mp4", BODY, modified="Tue, 01 Jul 2025 10:00:00 GMT")
    web.files["/a.mp4"].failures = Replace([Failure(cut=1 << 20), Failure(status=503)])
    assert fetch_file(url, tmp_path) == bytes(len(BODY))


def test_a_slow_server_that_keeps_sending_is_left_alone(web: WebServer, tmp_path: Path) -> None:
    began = time.monotonic()
    url = web.serve("/a.mp4", BODY, failures=[Failure(trickle_s=0.02, piece=20_000)])
    assert fetch_file(url, tmp_path) == BODY
    assert len(web.list_requests()) == 1 and time.monotonic() - began > FAST_RETRIES.timeout_s


@pytest.mark.parametrize(
    ("listed", "now", "changed"),
    [
        ({"etag": '"a"'}, {"etag": '"b"'}, True),
        ({"etag": '"a"'}, {"etag": 'W/"a"'}, False),
        ({"etag": '"a"'}, {"etag": '"a"', "body": b"longer"}, False),
        ({}, {"body": b"longer"}, True),
        ({}, {"body": b"longer", "length": False}, True),
        ({}, {"etag": '"b"'}, False),
        ({"etag": '"a"'}, {}, False),
        # Two machines of one service: other entity tags, the same file.
        ({"etag": '"a"', "modified": "Tue, 01 Jul 2025 10:00:00 GMT"},
         {"etag": '"b"', "modified": "Tue, 01 Jul 2025 10:00:00 GMT"}, False),
        ({"modified": "Tue, 01 Jul 2025 10:00:00 GMT"}, {"modified": "Tue, 01 Jul 2025 10:00:01 GMT"}, True),
    ],
)  # fmt: skip
def test_a_file_must_be_the_one_that_was_listed(
    web: WebServer, tmp_path: Path, listed: dict, now: dict, changed: bool
) -> None:
    (item,) = list_inputs(web.serve("/a.mp4", b"first", **listed))
    web.serve("/a.mp4", **{"body": b"first", **now})
    if changed:
        with pytest.raises(SourceUnavailable, match="has changed"):
            fetch_file(item.location, tmp_path, size=item.size, stamp=item.stamp)
    else:
        fetch_file(item.location, tmp_path, size=item.size, stamp=item.stamp)


def test_the_present_time_is_not_a_version(web: WebServer, tmp_path: Path) -> None:
    url = web.serve("/a.mp4", b"first", modified=format_datetime(datetime.now(UTC), usegmt=True))
    (item,) = list_inputs(url)
    web.files["/a.mp4"].modified = format_datetime(datetime.now(UTC) + timedelta(seconds=2), usegmt=True)
    assert item.stamp == "5"
    assert fetch_file(url, tmp_path, size=item.size, stamp=item.stamp) == b"first"


def test_redirects_are_followed_but_not_without_end(web: WebServer, tmp_path: Path) -> None:
    web.serve("/b.mp4", b"here")
    assert fetch_file(web.serve("/a.mp4", status=302, location="/b.mp4"), tmp_path) == b"here"
    with pytest.raises(SourceUnavailable, match="redirected without end"):
        fetch_file(web.serve("/c.mp4", status=302, location="/c.mp4"), tmp_path)


def test_a_server_that_sends_too_slowly_times_out(web: WebServer, tmp_path: Path) -> None:
    url = web.serve("/a.mp4", BODY, etag='"v1"', failures=[Failure(trickle_s=0.1)] * 3)
    with pytest.raises(ConnectionError, match="no answer within 1 s"):
        fetch_file(url, tmp_path)


def test_a_large_file_is_never_held_in_memory(web: WebServer, tmp_path: Path) -> None:
    body = bytes(64 << 20)
    url = web.serve("/a.mp4", body, etag='"v1"')
    tracemalloc.start()
    before = tracemalloc.get_traced_memory()[0]
    tracemalloc.reset_peak()
    download(url, tmp_path / "copy", retries=FAST_RETRIES)
    peak = tracemalloc.get_traced_memory()[1] - before
    tracemalloc.stop()
    assert (tmp_path / "copy").stat().st_size == len(body)
    assert peak < 16 << 20


def test_an_object_arrives_in_ranges(s3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_source, "BLOCK_BYTES", 1 << 20)
    s3.make_bucket("objects")
    s3fs.S3FileSystem(skip_instance_cache=True).pipe_file("objects/a b#1.mp4", BODY)
    (item,) = list_inputs("s3://objects/a b#1.mp4")
    s3.reset()
    assert fetch_file(item.location, tmp_path, size=item.size, stamp=item.stamp) == BODY
    assert s3.count().bytes_out <= 1.1 * len(BODY)
    assert [r.span for r in s3.requests("GET")] == [f"bytes={i << 20}-{(i + 1 << 20) - 1}" for i in range(3)]


def test_occasional_failures_of_a_store_are_retried(s3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_source, "BLOCK_BYTES", 1 << 20)
    s3.make_bucket("objects")
    s3fs.S3FileSystem(skip_instance_cache=True).pipe_file("objects/a.mp4", BODY)
    s3.reset()
    s3.fail_next(2, 503)
    s3.fail_next(5, 500, "GET /objects/a.mp4")
    slow_retries = RetryPolicy(tries=3, max_wait_s=0.1, timeout_s=20)
    assert fetch_file("s3://objects/a.mp4", tmp_path, retries=slow_retries) == BODY
    assert s3.count().bytes_out <= 1.1 * len(BODY)


def test_an_object_replaced_while_it_is_read_is_not_mixed(s3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(store_source, "BLOCK_BYTES", 1 << 20)
    s3.make_bucket("objects")
    fs = s3fs.S3FileSystem(skip_instance_cache=True)
    fs.pipe_file("objects/d.mp4", BODY)
    read_block, replaced = store_source.StoreTransfer._read_block, []

    def replace_after_first(self, *args: object) -> bytes:
        block = read_block(self, *args)
        if not replaced:
            replaced.append(fs.pipe_file("objects/d.mp4", bytes(len(BODY))))
        return block

    monkeypatch.setattr(store_source.StoreTransfer, "_read_block", replace_after_first)
    assert fetch_file("s3://objects/d.mp4", tmp_path, retries=RetryPolicy(tries=3, max_wait_s=0.1)) == bytes(len(BODY))


def test_objects_that_are_gone_refused_or_changed_are_rejected(s3, tmp_path: Path) -> None:
    s3.make_bucket("objects")
    fs = s3fs.S3FileSystem(skip_instance_cache=True)
    fs.pipe_file("objects/b.mp4", b"first")
    with pytest.raises(SourceUnavailable, match="not found: s3://objects/gone.mp4"):
        fetch_file("s3://objects/gone.mp4", tmp_path)
    (item,) = list_inputs("s3://objects/b.mp4")
    fs.pipe_file("objects/b.mp4", b"other")
    with pytest.raises(SourceUnavailable, match="has changed"):
        fetch_file(item.location, tmp_path, size=item.size, stamp=item.stamp)
    s3.fail_next(2, 403)
    with pytest.raises(SourceUnavailable, match="not allowed .*: s3://objects/b.mp4"):
        fetch_file("s3://objects/b.mp4", tmp_path)


@pytest.mark.parametrize(
    ("code", "rejected"),
    [("AccessDenied", True), ("ExpiredToken", False), ("InvalidAccessKeyId", False), ("SignatureDoesNotMatch", False)],
)
def test_an_expired_key_rejects_nothing(
    s3, web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: str, rejected: bool
) -> None:
    text = f"<?xml version='1.0'?><Error><Code>{code}</Code><Message>no</Message></Error>"
    web.serve("/objects/a.mp4", text.encode(), status=403)
    monkeypatch.setenv("AWS_ENDPOINT_URL", web.url)
    with pytest.raises(SourceUnavailable if rejected else ConnectionError) as caught:
        fetch_file("s3://objects/a.mp4", tmp_path)
    assert isinstance(caught.value, SourceUnavailable) == rejected


def test_a_machine_without_credentials_rejects_nothing(s3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    s3.make_bucket("objects")
    s3fs.S3FileSystem(skip_instance_cache=True).pipe_file("objects/c.mp4", b"first")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("HOME", str(tmp_path))
    with pytest.raises(ConnectionError) as caught:
        fetch_file("s3://objects/c.mp4", tmp_path)
    assert not isinstance(caught.value, SourceUnavailable) and "\n" not in str(caught.value)


def test_a_store_out_of_reach_is_a_fault(s3, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:9")
    with pytest.raises(ConnectionError, match="s3://objects/a.mp4: .*attempts"):
        fetch_file("s3://objects/a.mp4", tmp_path, retries=RetryPolicy(tries=2, max_wait_s=0.1, timeout_s=5))


def test_memory_is_a_store_too(tmp_path: Path) -> None:
    fsspec.filesystem("memory").pipe_file("/inputs/a.mp4", BODY)
    (item,) = list_inputs("memory://inputs/a.mp4")
    assert item.size == len(BODY)
    assert [i.stamp for i in list_inputs("memory://inputs/")] == [item.stamp]
    assert fetch_file(item.location, tmp_path, size=item.size, stamp=item.stamp) == BODY
    fsspec.filesystem("memory").pipe_file("/inputs/a.mp4", bytes(len(BODY)))
    with pytest.raises(SourceUnavailable, match="has changed"):
        fetch_file(item.location, tmp_path, size=item.size, stamp=item.stamp)

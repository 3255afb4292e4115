"""The cache of downloads: once for all processes of a machine, bounded, and sound after kills."""

import multiprocessing
import os
import pickle
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import pytest
import s3fs

from humove.ids import compute_video_id
from humove.reasons import Reason
from pipelines.inputs.cache import SourceCache, SourceUnavailable
from pipelines.inputs.listing import list_inputs
from pipelines.inputs.reference import InputRef
from tests.pipelines.inputs.cache_processes import hold_open, open_many, open_together
from tests.pipelines.inputs.web_server import Failure, WebServer

SPAWN = multiprocessing.get_context("spawn")
MB = 1 << 20


def make_cache(tmp_path: Path, max_bytes: int = 100 * MB) -> SourceCache:
    return SourceCache(tmp_path / "cache", max_bytes, tries=2, max_wait_s=0.1)


def list_one(location: str) -> InputRef:
    (item,) = list_inputs(location)
    return item


def read_input(cache: SourceCache, item: InputRef) -> bytes:
    with cache.open(item) as path:
        return path.read_bytes()


def list_copies(tmp_path: Path) -> list[Path]:
    return sorted(p for p in (tmp_path / "cache").iterdir() if not p.name.endswith(".lock"))


def wait_for(condition: Callable[[], object]) -> None:
    for _ in range(600):
        if condition():
            return
        time.sleep(0.05)
    raise AssertionError("30 s are over")


def test_a_url_is_the_same_video_as_its_file(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"a video")
    item = list_one(web.serve("/sub/a.MP4", b"a video", failures=[Failure(status=503)]) + "?token=a.b")
    cache = make_cache(tmp_path)
    with cache.open(item) as path:
        assert compute_video_id(path) == compute_video_id(tmp_path / "a.mp4")
        assert path.suffix == ".mp4"
    assert read_input(cache, item) == b"a video"
    assert [r.sent for r in web.list_requests()] == [0, 7]


def test_a_missing_source_is_rejected_with_one_line(web: WebServer, tmp_path: Path) -> None:
    item = list_one(f"{web.url}/gone.mp4")
    with pytest.raises(SourceUnavailable, match="^not found: http://127.0.0.1:.*/gone.mp4$") as caught:
        read_input(make_cache(tmp_path), item)
    copy = pickle.loads(pickle.dumps(caught.value))
    assert (str(copy), copy.reason) == (str(caught.value), Reason.UNREADABLE)
    assert {p.name for p in (tmp_path / "cache").iterdir()} == {".lock"}


def test_a_server_that_is_down_is_a_fault_that_the_next_run_retries(web: WebServer, tmp_path: Path) -> None:
    item = list_one(web.serve("/a.mp4", b"x", failures=[Failure(status=500)] * 2))
    with pytest.raises(ConnectionError, match="a.mp4: HTTP 500; 2 attempts"):
        read_input(make_cache(tmp_path), item)
    assert list_copies(tmp_path) == []
    assert read_input(make_cache(tmp_path), item) == b"x"


def test_several_processes_download_a_source_once(web: WebServer, tmp_path: Path) -> None:
    body = os.urandom(3 * MB)
    item = list_one(web.serve("/a.mp4", body, etag='"v1"', delay_s=0.3, failures=[Failure(cut=2 * MB)]))
    cache = make_cache(tmp_path)
    with ProcessPoolExecutor(4, mp_context=SPAWN) as pool:
        list(pool.map(open_many, [(cache, [])] * 8))  # starts the processes
        start = time.time() + 1
        opened = list(pool.map(open_together, [(cache, item, start, 1.0)] * 4))
        again = list(pool.map(open_many, [(cache, [item] * 5)] * 4))
    assert [found for found, _, _ in opened] == [body] * 4
    assert again == [[len(body)] * 5] * 4
    assert web.count_sent() <= 1.1 * len(body)
    # All used it at the same time: none waited for another to be done with it.
    assert max(first for _, first, _ in opened) < min(last for _, _, last in opened)


def test_an_object_is_downloaded_once_too(s3, tmp_path: Path) -> None:
    s3.make_bucket("cached")
    body = os.urandom(3 * MB)
    s3fs.S3FileSystem(skip_instance_cache=True).pipe_file("cached/a.mp4", body)
    item = list_one("s3://cached/a.mp4")
    s3.reset()
    with ProcessPoolExecutor(3, mp_context=SPAWN) as pool:
        assert list(pool.map(open_many, [(make_cache(tmp_path), [item] * 3)] * 3)) == [[len(body)] * 3] * 3
    assert s3.count().bytes_out <= 1.1 * len(body)


def test_waiting_processes_do_not_retry_a_server_that_is_down(web: WebServer, tmp_path: Path) -> None:
    item = list_one(web.serve("/a.mp4", b"x"))
    web.files["/a.mp4"].status, web.files["/a.mp4"].delay_s = 503, 1.0
    cache = make_cache(tmp_path)
    with ProcessPoolExecutor(3, mp_context=SPAWN) as pool:
        list(pool.map(open_many, [(cache, [])] * 6))
        failed = list(pool.map(open_together, [(cache, item, time.time() + 0.5, 0.0)] * 3))
    assert all("HTTP 503; 2 attempts" in text for text in failed)
    assert len(web.list_requests()) == 2


def test_the_least_recently_used_copies_are_evicted(web: WebServer, tmp_path: Path) -> None:
    items = [list_one(web.serve(f"/{i}.mp4", bytes([i]) * MB)) for i in range(4)]
    cache = make_cache(tmp_path, int(3.5 * MB))
    for item in (items[0], items[1], items[2], items[0], items[3]):
        read_input(cache, item)
    assert len(web.list_requests()) == 4 and len(list_copies(tmp_path)) == 3
    assert read_input(cache, items[0]) == bytes([0]) * MB  # used again before 3 came, so that 1 had to go
    assert len(web.list_requests()) == 4
    read_input(cache, items[1])
    assert len(web.list_requests()) == 5
    locks = [p for p in (tmp_path / "cache").iterdir() if p.suffix == ".lock" and p.stem != ".lock"]
    assert len(locks) == len(list_copies(tmp_path)) == 3


def test_a_copy_in_use_is_never_evicted(web: WebServer, tmp_path: Path) -> None:
    items = [list_one(web.serve(f"/{i}.mp4", bytes([i]) * MB, length=i < 2)) for i in range(4)]
    cache = make_cache(tmp_path, int(1.5 * MB))
    with cache.open(items[0]) as used:
        for item in items[1:]:
            assert read_input(cache, item) == bytes([item.uri.encode()[-5] - ord("0")]) * MB
        assert used.read_bytes() == bytes(MB)
    read_input(cache, items[1])
    assert not used.exists()
    assert sum(p.stat().st_size for p in list_copies(tmp_path)) <= 1.5 * MB


def test_a_file_larger_than_the_cache_is_served_alone(web: WebServer, tmp_path: Path) -> None:
    small, large = list_one(web.serve("/a.mp4", b"x")), list_one(web.serve("/b.mp4", bytes(3 * MB)))
    cache = make_cache(tmp_path, MB)
    read_input(cache, small)
    assert len(read_input(cache, large)) == 3 * MB
    assert [p.stat().st_size for p in list_copies(tmp_path)] == [3 * MB]
    read_input(cache, small)
    assert [p.stat().st_size for p in list_copies(tmp_path)] == [1]


def test_foreign_files_in_the_folder_are_never_removed(web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "cache").mkdir()
    for name in ("notes.txt", "x.part", "a" * 31 + ".mp4"):
        (tmp_path / "cache" / name).write_bytes(bytes(MB))
    read_input(make_cache(tmp_path, 1), list_one(web.serve("/a.mp4", b"123")))
    assert len(list_copies(tmp_path)) == 4


def test_processes_share_a_cache_that_is_too_small(web: WebServer, tmp_path: Path) -> None:
    items = [list_one(web.serve(f"/{i}.mp4", bytes(MB))) for i in range(6)]
    cache = make_cache(tmp_path, 2 * MB)
    with ProcessPoolExecutor(3, mp_context=SPAWN) as pool:
        done = list(pool.map(open_many, [(cache, items * 5), (cache, items[::-1] * 5), (cache, items[3:] * 5)]))
    assert [len(sizes) for sizes in done] == [30, 30, 15]
    assert {size for sizes in done for size in sizes} == {MB}
    read_input(cache, items[0])
    assert sum(p.stat().st_size for p in list_copies(tmp_path)) <= 2 * MB


def test_a_killed_download_is_never_mistaken_for_complete(web: WebServer, tmp_path: Path) -> None:
    body = os.urandom(3 * MB)
    item = list_one(web.serve("/a.mp4", body, failures=[Failure(cut=2 * MB, stall_s=60)]))
    other = list_one(web.serve("/b.mp4", b"x"))
    process = SPAWN.Process(target=hold_open, args=(make_cache(tmp_path), item, tmp_path / "ready"))
    process.start()
    wait_for(lambda: web.count_sent() >= 2 * MB and list_copies(tmp_path))
    time.sleep(0.3)
    assert [p.suffix for p in list_copies(tmp_path)] == [".part"]
    read_input(make_cache(tmp_path), other)  # leaves alone what is in progress
    assert ".part" in [p.suffix for p in list_copies(tmp_path)]
    process.kill()
    process.join()
    read_input(make_cache(tmp_path), list_one(web.serve("/c.mp4", b"y")))
    assert [p.suffix for p in list_copies(tmp_path)] == [".mp4", ".mp4"]
    assert read_input(make_cache(tmp_path), item) == body


def test_a_process_that_waits_takes_over_from_one_that_is_killed(web: WebServer, tmp_path: Path) -> None:
    body = os.urandom(3 * MB)
    item = list_one(web.serve("/a.mp4", body, failures=[Failure(cut=2 * MB, stall_s=60)]))
    process = SPAWN.Process(target=hold_open, args=(make_cache(tmp_path), item, tmp_path / "ready"))
    process.start()
    wait_for(lambda: web.count_sent() >= 2 * MB)
    with ProcessPoolExecutor(1, mp_context=SPAWN) as pool:
        waiting = pool.submit(open_together, (make_cache(tmp_path), item, 0.0, 0.0))
        time.sleep(2)
        assert not waiting.done()
        process.kill()
        assert waiting.result(timeout=30)[0] == body
    process.join()


def test_a_copy_of_a_killed_user_can_be_evicted(web: WebServer, tmp_path: Path) -> None:
    first, second = list_one(web.serve("/a.mp4", bytes(MB))), list_one(web.serve("/b.mp4", b"1" * MB))
    cache = make_cache(tmp_path, MB)
    process = SPAWN.Process(target=hold_open, args=(cache, first, tmp_path / "ready"))
    process.start()
    wait_for((tmp_path / "ready").exists)
    read_input(cache, second)
    assert len(list_copies(tmp_path)) == 2
    process.kill()
    process.join()
    read_input(cache, list_one(web.serve("/c.mp4", b"2" * MB)))
    assert len(list_copies(tmp_path)) == 1


def test_a_local_file_is_its_own_copy(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"first")
    item = list_one(str(tmp_path / "a.mp4"))
    with make_cache(tmp_path).open(item) as path:
        assert path == tmp_path / "a.mp4"
    assert not (tmp_path / "cache").exists()


def test_a_local_file_must_be_the_one_that_was_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"first")
    item = list_one(str(path))
    path.write_bytes(b"another one")
    with pytest.raises(SourceUnavailable, match="has changed"):
        read_input(make_cache(tmp_path), item)
    path.unlink()
    with pytest.raises(SourceUnavailable, match="no such file") as caught:
        read_input(make_cache(tmp_path), item)
    assert caught.value.reason is Reason.UNREADABLE
    path.mkdir()
    with pytest.raises(SourceUnavailable, match="no such file"):
        read_input(make_cache(tmp_path), item)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every file")
def test_a_local_file_that_may_not_be_read_is_rejected(tmp_path: Path) -> None:
    (tmp_path / "a.mp4").write_bytes(b"first")
    item = list_one(str(tmp_path / "a.mp4"))
    (tmp_path / "a.mp4").chmod(0)
    with pytest.raises(SourceUnavailable, match="not allowed"):
        read_input(make_cache(tmp_path), item)


def test_a_file_system_that_fails_is_a_fault(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.mp4").write_bytes(b"first")
    item = list_one(str(tmp_path / "a.mp4"))

    def fail(_: str) -> None:
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr("pipelines.inputs.cache.os.stat", fail)
    with pytest.raises(ConnectionError, match="does not answer: Stale file handle"), make_cache(tmp_path).open(item):
        pass


def test_a_cache_travels_to_workers(tmp_path: Path) -> None:
    cache = pickle.loads(pickle.dumps(make_cache(tmp_path)))
    assert (cache.folder, cache.max_bytes) == (tmp_path / "cache", 100 * MB)

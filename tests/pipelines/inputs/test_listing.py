"""The input list: every way to name videos."""

import os
import time
from pathlib import Path

import pytest
import s3fs

from humove.errors import UserError
from humove.types import Source
from pipelines.inputs.listing import list_inputs
from pipelines.inputs.reference import InputRef, has_changed
from tests.pipelines.inputs.web_server import WebServer


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("b.mp4", "a vidéo 人 #1.MKV", "Dancing/c.mov", "notes.txt", ".hidden.mp4"):
        path = tmp_path / "videos" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(name.encode())
    return tmp_path / "videos"


def write_manifest(tmp_path: Path, *uris: str) -> str:
    path = tmp_path / "list.csv"
    path.write_text("\n".join(["uri", *uris]) + "\n")
    return str(path)


def test_a_folder_gives_its_videos_with_relative_uris_and_categories(folder: Path) -> None:
    inputs = list_inputs(str(folder))
    assert [i.uri for i in inputs] == ["Dancing/c.mov", "a vidéo 人 #1.MKV", "b.mp4"]
    assert [i.source.category for i in inputs] == ["Dancing", "", ""]
    assert inputs[0].source.category_source == "folder"
    assert [i.size for i in inputs] == [13, len("a vidéo 人 #1.MKV".encode()), 5]


def test_a_glob_and_a_single_file(folder: Path) -> None:
    assert [i.uri for i in list_inputs(str(folder / "**" / "*.mov"))] == ["Dancing/c.mov"]
    assert [i.uri for i in list_inputs(str(folder / "b.mp4"))] == ["b.mp4"]
    assert [i.location for i in list_inputs(f"file://{folder}/b.mp4")] == [str(folder / "b.mp4")]


def test_a_glob_of_everything_takes_the_videos(folder: Path) -> None:
    assert [i.uri for i in list_inputs(str(folder / "*"))] == ["a vidéo 人 #1.MKV", "b.mp4"]
    assert [i.uri for i in list_inputs(str(folder / "*.txt"))] == ["notes.txt"]


def test_a_missing_and_an_empty_folder(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no such folder"):
        list_inputs(str(tmp_path / "nowhere"))
    with pytest.raises(UserError, match="no video found"):
        list_inputs(str(tmp_path))


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read every folder")
def test_an_unreadable_folder_is_not_an_empty_one(folder: Path) -> None:
    (folder / "Dancing").chmod(0)
    with pytest.raises(UserError, match="can't be listed"):
        list_inputs(str(folder))


@pytest.mark.parametrize("videos", ["ftp://host/a.mp4", "http://", "http://[a/b.mp4", "http://host:x/a.mp4", "s3://"])
def test_an_unusable_address_is_a_one_line_error(videos: str) -> None:
    with pytest.raises(UserError, match=r"^VIDEOS=.*; (use|check|write) ") as caught:
        list_inputs(videos)
    assert "\n" not in str(caught.value)


def test_a_changed_file_is_a_new_input(folder: Path) -> None:
    (before,) = list_inputs(str(folder / "b.mp4"))
    assert not has_changed(before)
    (folder / "b.mp4").write_bytes(b"other")
    assert has_changed(before)
    (after,) = list_inputs(str(folder / "b.mp4"), {before.uri: before})
    assert before.input_id != after.input_id


def test_a_known_file_is_returned_as_it_was(folder: Path) -> None:
    (item,) = list_inputs(str(folder / "b.mp4"))
    earlier = InputRef(uri=item.uri, location=item.location, stamp=item.stamp, source=Source(caption="a"), size=5)
    assert list_inputs(str(folder / "b.mp4"), {item.uri: earlier}) == [earlier]


def test_an_input_survives_json(folder: Path) -> None:
    for item in list_inputs(str(folder)):
        assert InputRef.from_json(item.to_json()) == item


def test_names_that_are_not_utf8_are_escaped_and_still_found(tmp_path: Path) -> None:
    folder = os.path.join(os.fsencode(tmp_path), b"caf\xe9")
    os.mkdir(folder)
    with open(os.path.join(folder, b"\xff.mp4"), "wb") as f:
        f.write(b"x")
    (item,) = list_inputs(str(tmp_path))
    assert (item.uri, item.source.category) == ("caf\\xe9/\\xff.mp4", "caf\\xe9")
    assert os.path.exists(InputRef.from_json(item.to_json()).location)


def test_many_slow_addresses_are_requested_concurrently(web: WebServer, tmp_path: Path) -> None:
    urls = [web.serve(f"/{i}.mp4", b"x" * (i + 1), etag=f'"{i}"', delay_s=0.5) for i in range(10)]
    progress: list[tuple[int, int]] = []
    began = time.monotonic()
    inputs = list_inputs(write_manifest(tmp_path, *urls), report=lambda done, total: progress.append((done, total)))
    assert time.monotonic() - began < 1.5
    assert [(i.size, i.stamp) for i in inputs] == [(i + 1, f"{i + 1}-{i}") for i in range(10)]
    assert progress[-1] == (10, 10) and progress[0][0] < 10


def test_at_most_the_allowed_number_of_addresses_is_requested_at_once(web: WebServer, tmp_path: Path) -> None:
    urls = [web.serve(f"/{i}.mp4", b"x", delay_s=0.2) for i in range(6)]
    began = time.monotonic()
    list_inputs(write_manifest(tmp_path, *urls), at_once=2)
    assert time.monotonic() - began >= 0.6


def test_known_addresses_are_not_requested_again(web: WebServer, tmp_path: Path) -> None:
    old, new = web.serve("/old.mp4", b"old"), web.serve("/new.mp4", b"new!")
    (before,) = list_inputs(old)
    web.requests.clear()
    inputs = list_inputs(write_manifest(tmp_path, old, new), {before.uri: before})
    assert [i.uri for i in inputs] == [new, old]
    assert inputs[1] is before
    assert [r.path for r in web.requests] == ["/new.mp4"]


def test_addresses_that_do_not_answer_never_raise(web: WebServer, tmp_path: Path) -> None:
    silent = web.serve("/silent.mp4", b"x", delay_s=5)
    down = web.serve("/down.mp4", head=503, failures=[])
    web.files["/down.mp4"].status = 503
    refused = web.serve("/refused.mp4", status=403)
    uris = [silent, down, refused, f"{web.url}/gone.mp4", "http://127.0.0.1:9/a.mp4", "http://nowhere.invalid/a.mp4"]
    began = time.monotonic()
    stamps = {i.uri: i.stamp for i in list_inputs(write_manifest(tmp_path, *uris, "gone.mp4"), timeout_s=1)}
    assert time.monotonic() - began < 3
    assert stamps.pop(f"{web.url}/gone.mp4") == stamps.pop("gone.mp4") == "missing"
    assert set(stamps.values()) == {"unknown"} and len(stamps) == 5


@pytest.mark.parametrize("head", [403, 405, 501])
def test_one_byte_is_requested_from_a_server_without_head(web: WebServer, head: int) -> None:
    (item,) = list_inputs(web.serve("/a.mp4", b"x" * 1000, etag='"v1"', head=head))
    assert (item.size, item.stamp) == (1000, "1000-v1")
    assert [r.sent for r in web.list_requests()] == [1]


def test_a_store_folder_is_listed_without_a_request_per_object(s3) -> None:
    bucket = s3.make_bucket("listed")
    fs = s3fs.S3FileSystem(skip_instance_cache=True)
    for name in ("set/b.mp4", "set/Dancing/sub/c #1?.mov", "set/notes.txt", "set/.hidden.mp4", "other/d.mp4"):
        fs.pipe_file(f"listed/{name}", name.encode())
    fs.pipe_file("listed/set/empty/", b"")
    s3.reset()
    inputs = list_inputs(f"{bucket}/set/")
    assert [(i.uri, i.location, i.size) for i in inputs] == [
        ("Dancing/sub/c #1?.mov", "s3://listed/set/Dancing/sub/c #1?.mov", 25),
        ("b.mp4", "s3://listed/set/b.mp4", 9),
    ]
    assert [i.source.category for i in inputs] == ["Dancing", ""]
    assert s3.requests("HEAD") == [] and len(s3.requests("GET")) == 1
    # A single request for an object gives the same stamp as the listing.
    (alone,) = list_inputs("s3://listed/set/b.mp4")
    assert alone.stamp == inputs[1].stamp and "-" in alone.stamp
    assert list_inputs(f"{bucket}/set", {i.uri: i for i in inputs}) == inputs
    fs.pipe_file("listed/set/b.mp4", b"changed!!")
    assert list_inputs(f"{bucket}/set")[1].stamp != inputs[1].stamp


def test_a_missing_store_folder(s3, monkeypatch: pytest.MonkeyPatch) -> None:
    bucket = s3.make_bucket("empty")
    with pytest.raises(UserError, match="s3://empty/nothing: no (such|video)"):
        list_inputs(f"{bucket}/nothing")
    with pytest.raises(UserError, match="no such folder, file or bucket"):
        list_inputs("s3://no-such-bucket-here/videos")
    (missing,) = list_inputs(f"{bucket}/gone.mp4")
    assert missing.stamp == "missing"
    s3.fail_next(100, 403)
    with pytest.raises(UserError, match="can't be listed: .*check the address and your rights") as caught:
        list_inputs(f"{bucket}/videos")
    assert "\n" not in str(caught.value)


def test_credentials_stay_out_of_error_lines(web: WebServer, tmp_path: Path) -> None:
    secret = f"http://me:hunter2@127.0.0.1:{web.port}/a.mp4?X-Amz-Signature=hunter2"
    with pytest.raises(UserError, match="named twice") as caught:
        list_inputs(write_manifest(tmp_path, secret, secret))
    assert "hunter2" not in str(caught.value) and "127.0.0.1" in str(caught.value)
    for manifest in (secret.replace("a.mp4", "gone.csv"), "http://me:hunter2@127.0.0.1:9x/list.csv?hunter2"):
        with pytest.raises(UserError) as caught:
            list_inputs(manifest)
        assert "hunter2" not in str(caught.value)


def test_the_credentials_of_a_url_are_used(web: WebServer) -> None:
    web.serve("/a.mp4", b"1234", credentials="Basic bWU6aHVudGVyMg==")
    (item,) = list_inputs(f"http://me:hunter2@127.0.0.1:{web.port}/a.mp4")
    assert item.size == 4

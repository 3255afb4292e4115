"""The explorer over HTTP: accepted requests, served documents and files, refusals."""

import http.client
import io
import json
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from starlette.testclient import TestClient

from humove.errors import UserError
from humove.types import Sample
from shards.explorer.app import make_app, serve
from shards.explorer.guard import MAX_BODY
from shards.explorer.media import ShardMedia
from shards.format import DATASET_FILE, INDEX_FILE
from shards.reader import open_dataset
from tests.builds import STAGE_THRESHOLDS
from tests.shards.explorer.tables import make_clips, make_table

POST = ("clips", "select", "selection", "label")


@pytest.mark.parametrize(
    "host",
    ["evil.example", "evil.example:8765", "127.0.0.1", "127.0.0.1:80", "127.0.0.1:8765.evil.example", "[::1]:8765",
     "localhost:8766", "", "127.0.0.1:8765@evil.example"],
)  # fmt: skip
def test_another_host_is_refused(client: TestClient, host: str) -> None:
    for path in ("/", "/api/dataset", "/static/app.js", "/media/x.mp4", "/api/nothing"):
        answer = client.get(path, headers={"Host": host})
        assert answer.status_code == 403 and list(answer.json()) == ["error"]


def test_two_hosts_are_refused(client: TestClient) -> None:
    hosts = [("Host", "127.0.0.1:8765"), ("Host", "evil.example")]
    assert client.get("/api/dataset", headers=hosts).status_code == 403


@pytest.mark.parametrize("host", ["127.0.0.1:8765", "localhost:8765", "LOCALHOST:8765"])
def test_own_hosts_are_accepted(client: TestClient, host: str) -> None:
    answer = client.get("/api/dataset", headers={"Host": host, "Origin": f"http://{host}"})
    assert answer.status_code == 200 and answer.json()["num_clips"] == 4


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "https://127.0.0.1:8765", "http://127.0.0.1:9", ""])
def test_another_page_is_refused(client: TestClient, origin: str) -> None:
    assert client.get("/api/dataset", headers={"Origin": origin}).status_code == 403
    for name in POST:
        assert client.post(f"/api/{name}", json={}, headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data", ""])
def test_a_form_cannot_post(client: TestClient, kind: str) -> None:
    for name in POST:
        assert client.post(f"/api/{name}", content="{}", headers={"Content-Type": kind}).status_code == 415


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b"null", b"\xff\xfe", b'{"limit": NaN}', b'{"thresholds": {"a": 1e999}}']
)
def test_broken_json_is_refused_in_one_line(client: TestClient, body: bytes) -> None:
    for name in POST:
        answer = client.post(f"/api/{name}", content=body, headers={"Content-Type": "application/json"})
        assert answer.status_code == 400 and "\n" not in answer.json()["error"]


def test_long_requests_are_refused(client: TestClient) -> None:
    answer = client.post("/api/clips", json={"search": "x" * MAX_BODY})
    assert (answer.status_code, list(answer.json())) == (413, ["error"])
    assert client.post("/api/clips", json={"search": "x" * 5000}).status_code == 400


@pytest.mark.parametrize("method", ["PUT", "DELETE", "PATCH", "OPTIONS", "TRACE"])
def test_other_methods_are_refused(client: TestClient, method: str) -> None:
    assert client.request(method, "/api/dataset").status_code == 405
    assert client.get("/api/clips").status_code == 405
    assert client.post("/api/dataset", json={}).status_code == 405


def test_every_response_has_security_headers(client: TestClient) -> None:
    for path in ("/api/dataset", "/api/nothing", "/static/nothing", "/media/nothing.mp4"):
        headers = client.get(path).headers
        assert headers["content-security-policy"].startswith("default-src 'self'; ")
        assert "unsafe" not in headers["content-security-policy"]
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cross-origin-resource-policy"] == "same-origin"
        assert not [name for name in headers if name.startswith("access-control")]


HOSTILE = [
    "../../dataset.json", "..%2f..%2fdataset.json", "%2e%2e/%2e%2e/dataset.json", "%2e%2e%2f%2e%2e%2fdataset.json",
    "%00", "a%00b", "%ff", "x" * 10_000, "C:%5Cboot.ini", "/etc/passwd", "%2fetc%2fpasswd", "<script>", "%0d%0aX: y",
]  # fmt: skip


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_names_are_not_found(client: TestClient, name: str) -> None:
    paths = [f"/api/clip/{name}", f"/api/clip/{name}/motion", f"/media/{name}.mp4", f"/media/{name}.jpg",
             f"/media/{name}", f"/static/{name}", f"/runs/{name}", f"/runs/{name}.mp4", f"/{name}"]  # fmt: skip
    for path in paths:
        answer = client.get(path)
        assert answer.status_code in (404, 405), path
        assert b"schema_version" not in answer.content and b"root:" not in answer.content


def test_a_clip_id_with_a_path_is_shown_as_any_other(make_table_client: Callable[..., TestClient]) -> None:
    name = "../../x<img src=x onerror=alert(1)>"
    client = make_table_client(make_table(make_clips(3, 1).assign(clip_id=["a", "b", name])))
    page = client.get("/api/clip/..%2F..%2Fx%3Cimg%20src=x%20onerror=alert(1)%3E").json()
    assert (page["row"]["clip_id"], page["previous"], page["next"]) == (name, "b", None)
    assert client.post("/api/label", json={"clip_id": name, "label": "bad"}).status_code == 200
    assert client.get("/api/labels").json() == {name: {"label": "bad", "reason": ""}}


def test_an_index_row_outside_its_shard_has_no_video(damaged: Path) -> None:
    import pyarrow.parquet as pq

    rows = pq.read_table(damaged / INDEX_FILE)
    frame = rows.to_pandas()
    frame.loc[0, "shard"] = f"../{DATASET_FILE}"
    frame.loc[1, "mp4_bytes"] = 10**9
    frame.loc[2, "mp4_offset"] = -5
    pq.write_table(rows.from_pandas(frame, rows.schema), damaged / INDEX_FILE)
    media = ShardMedia(open_dataset(str(damaged)))
    assert [media.get_mp4(key) for key in frame["key"][:3]] == [None] * 3 and media.get_mp4(frame["key"][3]) is not None


def test_the_data_set_is_described(client: TestClient, make_table_client: Callable[..., TestClient]) -> None:
    described = client.get("/api/dataset").json()
    assert (described["name"], described["num_kept"], described["num_videos"]) == ("set", 4, 3)
    assert (described["building"], described["complete"], described["thresholds"]) == (False, False, [])
    described = make_table_client().get("/api/dataset").json()
    assert described["building"] and described["name"] == "set"
    assert len(described["thresholds"]) == sum(len(stage.thresholds) for stage in STAGE_THRESHOLDS)
    kinds = {column["name"]: column["kind"] for column in described["columns"]}
    assert kinds["jitter"] == "number" and kinds["uri"] == kinds["label"] == kinds["now"] == "text"
    assert "signature" not in kinds and len(described["joint_names"]) == len(described["smpl_parents"]) == 24


def test_a_clip_has_stages_video_and_neighbours(client: TestClient, samples: list[Sample]) -> None:
    first, second, *_ = sorted(sample.key for sample in samples)
    page = client.get(f"/api/clip/{first}").json()
    assert (page["previous"], page["next"]) == (None, second)
    assert page["has_video"] and page["has_motion"] and page["meta"]["key"] == first
    assert {entry["outcome"] for entry in page["stages"]} == {"passed"}
    assert client.get("/api/clip/nothing").status_code == 404


def test_motion_equals_the_samples(client: TestClient, samples: list[Sample]) -> None:
    sample = samples[0]
    found = client.get(f"/api/clip/{sample.key}/motion").json()
    assert found["num_frames"] == sample.meta["num_frames"] == len(found["speed"])
    for name in ("joints", "global_orient", "body_pose", "transl", "rest_joints", "cam_intrinsics", "confidence"):
        assert np.allclose(found[name], getattr(sample.motion, name), atol=1e-4), name
    assert found["valid"] == sample.motion.valid.tolist()
    assert np.allclose(found["keypoints"], sample.pose2d.keypoints, atol=0.06)
    turned = np.degrees(np.linalg.norm(sample.motion.body_pose[:, 15], axis=-1))  # the 16th joint but the pelvis
    assert np.allclose(found["angles"]["left_shoulder"], turned, atol=0.01)


def test_the_body_has_valid_weights(client: TestClient) -> None:
    body = client.get("/api/body").json()
    vertices, weights = np.array(body["vertices"]), np.array(body["weights"]["values"])
    assert vertices.shape[1] == 3 and weights.shape == (len(vertices), 4) and np.allclose(weights.sum(1), 1, atol=1e-4)
    assert np.array(body["weights"]["indices"]).max() < 24 and np.array(body["faces"]).max() < len(vertices)


def test_videos_are_served_by_ranges(client: TestClient, samples: list[Sample]) -> None:
    for sample in samples:
        url, whole = f"/media/{sample.key}.mp4", sample.mp4
        size = len(whole)
        answer = client.get(url)
        assert answer.status_code == 200 and answer.content == whole and answer.headers["accept-ranges"] == "bytes"
        assert answer.headers["content-type"] == "video/mp4" and int(answer.headers["content-length"]) == size
        head = client.head(url)
        assert (head.status_code, head.content, head.headers["content-length"]) == (200, b"", str(size))
        parts = {"0-0": (0, 1), "10-99": (10, 100), "100-": (100, size), f"{size - 1}-": (size - 1, size),
                 "-7": (size - 7, size), f"-{size * 2}": (0, size), f"5-{size * 2}": (5, size)}  # fmt: skip
        for span, (start, end) in parts.items():
            answer = client.get(url, headers={"Range": f"bytes={span}"})
            assert (answer.status_code, answer.content) == (206, whole[start:end]), span
            assert answer.headers["content-range"] == f"bytes {start}-{end - 1}/{size}"
            assert int(answer.headers["content-length"]) == end - start
        for span in (f"{size}-", f"{size + 5}-{size + 9}", "-0"):
            answer = client.get(url, headers={"Range": f"bytes={span}"})
            assert (answer.status_code, answer.headers["content-range"]) == (416, f"bytes */{size}"), span
        for span in (
            "bytes=",
            "bytes=-",
            "bytes=5-2",
            "bytes=a-b",
            "lines=0-1",
            "bytes=0-1,4-5",
            "bytes=" + "9" * 99,
        ):
            assert client.get(url, headers={"Range": span}).content == whole, span


def test_thumbnails_show_the_middle_frame_with_the_body_over_it(client: TestClient, samples: list[Sample]) -> None:
    def get_thumbnail(query: str) -> np.ndarray:
        answer = client.get(f"/media/{samples[0].key}.jpg{query}")
        assert answer.headers["content-type"] == "image/jpeg"
        with av.open(io.BytesIO(answer.content), format="jpeg_pipe") as box:
            return next(box.decode(video=0)).to_ndarray(format="rgb24").astype(int)

    drawn, plain = get_thumbnail(""), get_thumbnail("?plain=1")
    assert drawn.shape == plain.shape == (384, 320, 3)
    with av.open(io.BytesIO(samples[0].mp4)) as box:
        frames = [frame.to_ndarray(width=320, height=384, format="rgb24").astype(int) for frame in box.decode(video=0)]
    apart = [np.abs(frame - plain).mean() for frame in frames]
    assert int(np.argmin(apart)) == len(frames) // 2
    changed = np.abs(drawn - plain).max(axis=-1) > 20
    assert changed[100:300, 100:220].mean() > 0.1 and not changed[:, :30].any()  # the person stands in the middle
    assert client.get("/media/nothing.jpg").status_code == 404


def test_a_damaged_video_has_no_thumbnail(tmp_path: Path) -> None:
    class Damaged:
        def get_mp4(self, clip_id: str) -> bytes:
            return b"no video"

        def read_frame(self, clip_id: str) -> None:
            with av.open(io.BytesIO(self.get_mp4(clip_id))):
                pass

        def read_clip(self, clip_id: str) -> None:
            raise FileNotFoundError(clip_id)

    clips = make_table(make_clips(2, 1))
    app = make_app(clips=clips, media=[Damaged()], labels=tmp_path / "m.jsonl", selections=tmp_path / "s")
    client, name = TestClient(app, base_url="http://127.0.0.1:8765"), clips.frame["clip_id"][0]
    answer = client.get(f"/media/{name}.jpg")
    assert answer.status_code == 404 and "error" in answer.json()
    assert client.get(f"/api/clip/{name}/motion").status_code == 404
    assert client.get(f"/api/clip/{name}").json()["meta"] == {}


def test_every_address_serves_the_same_page(client: TestClient) -> None:
    pages = [client.get(path) for path in ("/", "/clip/anything", "/runs")]
    assert {page.status_code for page in pages} == {200} and len({page.content for page in pages}) == 1
    assert pages[0].headers["content-type"].startswith("text/html")


_SERVE = """
import sys
from pathlib import Path
from shards.clips_table import read_clips
from shards.explorer.app import make_app, serve
from shards.explorer.media import ShardMedia
from shards.reader import open_dataset

dataset, state = open_dataset(sys.argv[1]), Path(sys.argv[2])
app = make_app(dataset=dataset, clips=read_clips(dataset), media=[ShardMedia(dataset)],
               labels=state / "labels.jsonl", selections=state / "selections")
serve(app, 0, lambda url: print(url, flush=True))
"""


@pytest.fixture
def port(built: Path, tmp_path: Path) -> Iterator[int]:
    """The port of a real server of the four samples; it is interrupted as from a keyboard."""
    command = [sys.executable, "-c", _SERVE, str(built), str(tmp_path)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        try:
            url = server.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/", url)
            yield int(url.split(":")[2].strip("/"))
        finally:
            server.send_signal(signal.SIGINT)
            server.wait(10)


def test_a_real_server_accepts_only_its_own_port(port: int, samples: list[Sample]) -> None:
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=10)

    def get(path: str, **headers: str) -> tuple[int, bytes]:
        line.request("GET", path, headers=headers)
        answer = line.getresponse()
        return answer.status, answer.read()

    status, raw = get("/api/dataset")
    assert status == 200 and json.loads(raw)["num_clips"] == 4
    assert get("/api/dataset", Host="127.0.0.1:1")[0] == 403
    assert get("/api/dataset", Host=f"localhost:{port}")[0] == 200
    assert get("/api/dataset", Origin="http://evil.example")[0] == 403
    mp4 = samples[1].mp4
    assert get(f"/media/{samples[1].key}.mp4", Range="bytes=3-20") == (206, mp4[3:21])
    for prefix in ("/static/", "/media/", "/runs/", "/api/clip/", "//", "/"):
        for climb in ("../../../pyproject.toml", "..%2f..%2f..%2fpyproject.toml", "%2e%2e/%2e%2e/app.py", "..\\app.py"):
            assert get(prefix + climb)[0] in (400, 404), prefix + climb
    with socket.create_connection(("127.0.0.1", port), timeout=10) as raw_line:  # two hosts, which no client sends
        raw_line.sendall(f"GET / HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nHost: evil.example\r\n\r\n".encode())
        assert raw_line.recv(100).split()[1] in (b"400", b"403")
    with pytest.raises(UserError, match="cannot be used"):
        serve(make_app(), port, lambda url: None)
    with pytest.raises(OSError):  # the server listens on loopback only
        socket.create_connection((_get_own_address(), port), timeout=2).close()
    line.close()


def _get_own_address() -> str:
    """Return this machine's network address; without a network, a loopback address that is not served."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as line:
        try:
            line.connect(("192.0.2.1", 9))  # a datagram socket sends nothing here
        except OSError:
            return "127.0.0.2"
        return line.getsockname()[0]

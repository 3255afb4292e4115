"""Remote videos: a real HTTP server on loopback that also misbehaves."""

import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from humove.ids import video_id_of
from humove.reasons import Reason
from humove.stage import Emit, Reject
from pipelines.fetch import FetchError, local_file
from pipelines.inputs import list_inputs
from pipelines.ledger import Ledger
from pipelines.stages.ingest import IngestStage


class Moody(SimpleHTTPRequestHandler):
    """Serves a folder; `/flaky/` fails the first time that each path is asked for, `/down/` always."""

    asked: set[str] = set()

    def do_GET(self) -> None:
        if self.path.startswith("/down/"):
            self.send_error(500)
        elif self.path.startswith("/flaky/") and self.path not in self.asked:
            self.asked.add(self.path)
            self.send_error(503)
        else:
            self.path = self.path.replace("/flaky/", "/")
            super().do_GET()

    def do_HEAD(self) -> None:
        self.path = self.path.replace("/flaky/", "/").replace("/down/", "/")
        super().do_HEAD()

    def log_message(self, *_: object) -> None: ...


@pytest.fixture
def server(videos: Path) -> Iterator[str]:
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Moody, directory=str(videos))) as http:
        threading.Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}"
        http.shutdown()


def ingest(location: str, tmp_path: Path) -> Emit | Reject:
    (item,) = list_inputs(location)
    stage = IngestStage(ledger=Ledger(tmp_path / "ledger"), scratch=tmp_path / "scratch", unit_s=120)
    return stage.process([item])[0]


@pytest.mark.parametrize("path", ["squat.mp4", "flaky/squat.mp4"])
def test_a_url_is_the_same_video_as_its_file(server: str, videos: Path, tmp_path: Path, path: str) -> None:
    outcome = ingest(f"{server}/{path}", tmp_path)
    assert outcome.outputs == (video_id_of(videos / "squat.mp4"),)
    assert list((tmp_path / "scratch").iterdir()) == []


def test_what_is_not_there_is_rejected_in_one_line(server: str, tmp_path: Path) -> None:
    outcome = ingest(f"{server}/gone.mp4", tmp_path)
    assert outcome.reason == Reason.UNREADABLE
    assert "\n" not in outcome.detail


def test_a_server_that_is_down_is_a_fault_which_a_further_run_tries_again(server: str, tmp_path: Path) -> None:
    with pytest.raises(ConnectionError, match="down/squat.mp4"):
        ingest(f"{server}/down/squat.mp4", tmp_path)
    assert not (tmp_path / "ledger").exists()


def test_a_local_file_must_be_the_one_that_was_listed(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(b"first")
    (item,) = list_inputs(str(path))
    path.write_bytes(b"another one")
    with pytest.raises(FetchError, match="has changed"), local_file(item, tmp_path):
        pass
    path.unlink()
    with pytest.raises(FetchError, match="no such file"), local_file(item, tmp_path):
        pass

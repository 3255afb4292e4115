"""What `humove view` shows of a path: a finished data set, a build that is going on, a training run."""

import tempfile
import threading
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from humove.errors import UserError
from humove.out import is_running
from pipelines.ledger import Ledger
from pipelines.preview import LedgerMedia, ledger_media
from pipelines.snapshot import plan_of, snapshot
from shards.clips import read_clips
from shards.explorer.app import make_app
from shards.explorer.media import ShardMedia
from shards.explorer.runs import METRICS_FILE
from shards.format import DATASET_FILE, LEDGER_FOLDER, MARKS_FILE, SELECTIONS_FOLDER
from shards.reader import open_dataset

_PAUSE_S = 5.0
"""A running build is looked at anew when a page is loaded, but not more often than this."""


def explorer(path: Path, scratch: Path) -> ASGIApp:
    """The explorer of `path`; `scratch` takes the videos of dropped clips that somebody looks at.

    UserError where the path holds nothing that can be shown.
    """
    if (path / DATASET_FILE).is_file():
        return _finished(path, scratch)
    if (path / METRICS_FILE).is_file():
        return make_app(run=path)
    if not Ledger(path / LEDGER_FOLDER).batch_numbers():
        raise UserError(f"{path}: holds no data set, no build that has begun and no training run; give one's folder")
    return _Growing(path, scratch)


def _said(path: Path) -> dict[str, Path]:
    return {"marks": path / MARKS_FILE, "selections": path / SELECTIONS_FOLDER}


def _finished(path: Path, scratch: Path) -> Starlette:
    dataset = open_dataset(str(path))
    clips = read_clips(dataset)
    media = [ShardMedia(dataset), ledger_media(dataset, clips, scratch)]
    return make_app(dataset=dataset, clips=clips, media=[m for m in media if m is not None], **_said(path))


class _Growing:
    """The explorer of a build that is not done: made anew when a page is loaded, until the data set is there."""

    def __init__(self, path: Path, scratch: Path) -> None:
        self._path, self._scratch = path, scratch
        self._lock = threading.Lock()
        self._done = False
        self._look()

    def _look(self) -> None:
        with self._lock:
            self._done = (self._path / DATASET_FILE).is_file()
            self._app = _finished(self._path, self._scratch) if self._done else self._unfinished()
            self._looked = time.monotonic()

    def _unfinished(self) -> Starlette:
        plan = plan_of(self._path)
        with tempfile.TemporaryDirectory(dir=self._scratch) as folder:
            clips = snapshot(plan, Path(folder))
        media = [LedgerMedia(plan, clips, self._scratch)]
        return make_app(clips=clips, media=media, building=True, running=is_running(self._path), **_said(self._path))

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = scope["type"] == "http" and scope["path"] == "/api/dataset"
        if page and not self._done and time.monotonic() - self._looked > _PAUSE_S:
            await run_in_threadpool(self._look)
        await self._app(scope, receive, send)

"""The app of `humove view` for a path: a finished data set, an unfinished build, or a training run."""

import threading
import time
from pathlib import Path

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.types import ASGIApp, Receive, Scope, Send

from humove.errors import UserError
from humove.storage import Store, is_locked, open_store
from pipelines.engine.ledger import Ledger
from pipelines.jobs.preview import LedgerMedia, open_ledger_media
from pipelines.jobs.snapshot import read_plan, take_snapshot
from shards.clips_table import read_clips
from shards.explorer.app import make_app
from shards.explorer.media import ShardMedia
from shards.explorer.runs import METRICS_FILE
from shards.format import DATASET_FILE, LABELS_FILE, SELECTIONS_FOLDER
from shards.reader import open_dataset
from shards.tables import refresh_tables

_PAUSE_S = 5.0
"""Minimum interval between reads of a running build; it is read when a page is loaded."""


def open_explorer(path: str | Path, scratch: Path) -> ASGIApp:
    """Open the explorer of `path`, a folder or a URL; videos of dropped clips that are viewed go to `scratch`.

    UserError if the path holds nothing that can be shown.
    """
    store = open_store(path)
    if store.exists(DATASET_FILE):
        return _explore_finished(store, scratch)
    if store.exists(METRICS_FILE):
        return make_app(run=Path(store.location))
    if not Ledger(store).list_batch_numbers():
        raise UserError(f"{path}: holds no data set, no build that has begun and no training run; give one's folder")
    return _UnfinishedExplorer(store, scratch)


def _find_label_places(store: Store) -> dict[str, Path | Store]:
    """Find where labels and selections are kept: with the data set."""
    if store.is_local:
        folder = Path(store.location)
        return {"labels": folder / LABELS_FILE, "selections": folder / SELECTIONS_FOLDER}
    return {"labels": store, "selections": store.child(SELECTIONS_FOLDER)}


def _explore_finished(store: Store, scratch: Path) -> Starlette:
    dataset = open_dataset(store.location)
    refresh_tables(dataset.store, dataset.doc)
    clips = read_clips(dataset)
    media = [ShardMedia(dataset), open_ledger_media(dataset, clips, scratch)]
    places = _find_label_places(store)
    return make_app(dataset=dataset, clips=clips, media=[m for m in media if m is not None], **places)


class _UnfinishedExplorer:
    """The explorer of an unfinished build: reopened when a page is loaded, until the data set exists."""

    def __init__(self, store: Store, scratch: Path) -> None:
        self._store, self._scratch = store, scratch
        self._lock = threading.Lock()
        self._done = False
        self._refresh()

    def _refresh(self) -> None:
        with self._lock:
            self._done = self._store.exists(DATASET_FILE)
            self._app = _explore_finished(self._store, self._scratch) if self._done else self._explore_unfinished()
            self._refreshed = time.monotonic()

    def _explore_unfinished(self) -> Starlette:
        plan = read_plan(self._store)
        clips = take_snapshot(plan, self._store)
        media = [LedgerMedia(plan, self._store, clips, self._scratch)]
        places = _find_label_places(self._store)
        return make_app(clips=clips, media=media, building=True, running=is_locked(self._store), **places)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        page = scope["type"] == "http" and scope["path"] == "/api/dataset"
        if page and not self._done and time.monotonic() - self._refreshed > _PAUSE_S:
            await run_in_threadpool(self._refresh)
        await self._app(scope, receive, send)

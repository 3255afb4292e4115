"""The explorer's HTTP side: routes to documents and media, and the server on loopback."""

import json
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, RedirectResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles

from humove.errors import UserError
from humove.storage import Store
from shards.clips import ClipTable
from shards.explorer.asks import Ask, ClipsAsk, MarkAsk, SelectAsk, SelectionAsk
from shards.explorer.body import body_document
from shards.explorer.explorer import Exists, Explorer
from shards.explorer.guard import Guard
from shards.explorer.media import Media
from shards.explorer.motion import motion_document
from shards.explorer.ranges import ranged
from shards.explorer.runs import Run
from shards.reader import Dataset

_STATIC = Path(__file__).with_name("static")


class _Json(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(errors="replace")


def make_app(
    *,
    dataset: Dataset | None = None,
    clips: ClipTable | None = None,
    media: Sequence[Media] = (),
    marks: Path | Store | None = None,
    selections: Path | Store | None = None,
    building: bool = False,
    running: bool = False,
    run: Path | None = None,
) -> Starlette:
    """The explorer of a data set (`clips`), of a training run (`run`, its folder), or of both.

    `marks` is the file for marks, or the set's store; `selections` the folder for saved thresholds. `dataset` is None
    while the first build is going on: `building` then, and `running` as long as it has not been stopped.
    """
    explorer = None
    if clips is not None:
        if marks is None or selections is None:
            raise ValueError("clips are shown with a file for marks and a folder for selections")
        explorer = Explorer(
            dataset=dataset, clips=clips, media=media, marks=marks, selections=selections, building=building,
            running=running,
        )  # fmt: skip
    routes = [
        *_page_routes(explorer is None),
        *(_clip_routes(explorer) if explorer else ()),
        *(_run_routes(Run(run)) if run else ()),
        Route("/api/body", lambda request: _Json(body_document())),
        Mount("/static", StaticFiles(directory=_STATIC, check_dir=False)),
    ]
    handlers = {HTTPException: _said, UserError: _refused, Exception: _failed}
    return Starlette(routes=routes, exception_handlers=handlers, middleware=[Middleware(Guard)])


def _page_routes(run_alone: bool) -> list[Route]:
    def page(request: Request) -> Response:
        return FileResponse(_STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    def front(request: Request) -> Response:
        return RedirectResponse("/runs") if run_alone else page(request)

    return [Route("/", front), Route("/runs", page), Route("/clip/{clip_id:path}", page)]


def _answer(ask: type[Ask], document: Callable[[Any], Any]) -> Callable:
    """An endpoint that answers a JSON request with a document, off the loop that serves the others."""

    async def endpoint(request: Request) -> Response:
        asked = ask.parse(await request.body())
        return await run_in_threadpool(lambda: _Json(document(asked)))

    return endpoint


def _clip_routes(explorer: Explorer) -> list[Route]:
    described: list[_Json] = []

    def dataset(request: Request) -> Response:
        if not described:
            described.append(_Json(explorer.dataset()))
        return described[0]

    def histogram(request: Request) -> Response:
        return _Json(explorer.histogram(request.query_params.get("column", "")))

    def marks(request: Request) -> Response:
        marks = explorer.marks.all()
        return _Json({clip_id: {"mark": mark.mark, "why": mark.why} for clip_id, mark in marks.items()})

    def clip(request: Request) -> Response:
        return _Json(_found(explorer.clip(request.path_params["clip_id"]), "no such clip"))

    def motion(request: Request) -> Response:
        data = explorer.data(request.path_params["clip_id"])
        if data is None or (data.motion is None and data.pose2d is None):
            raise HTTPException(404, "this clip was never annotated")
        return _Json(motion_document(data))

    def video(request: Request) -> Response:
        mp4 = _found(explorer.mp4(request.path_params["clip_id"]), "the video of this clip cannot be had")
        return ranged(request, mp4, "video/mp4")

    def thumbnail(request: Request) -> Response:
        plain = request.query_params.get("plain", "") not in ("", "0")
        made = _found(explorer.thumbnail(request.path_params["clip_id"], plain), "the video of this clip cannot be had")
        return Response(made, media_type="image/jpeg")

    return [
        Route("/api/dataset", dataset),
        Route("/api/histogram", histogram),
        Route("/api/marks", marks),
        Route("/api/clips", _answer(ClipsAsk, explorer.clips), methods=["POST"]),
        Route("/api/select", _answer(SelectAsk, explorer.select), methods=["POST"]),
        Route("/api/selection", _answer(SelectionAsk, explorer.save), methods=["POST"]),
        Route("/api/mark", _answer(MarkAsk, explorer.mark), methods=["POST"]),
        Route("/api/clip/{clip_id:path}/motion", motion),
        Route("/api/clip/{clip_id:path}", clip),
        Route("/media/{clip_id:path}.mp4", video),
        Route("/media/{clip_id:path}.jpg", thumbnail),
    ]


def _run_routes(run: Run) -> list[Route]:
    def document(request: Request) -> Response:
        return _Json(run.document())

    def video(request: Request) -> Response:
        return ranged(request, _found(run.video(request.path_params["name"]), "no such video"), "video/mp4")

    return [Route("/api/runs", document), Route("/runs/{name:path}", video)]


def _found(thing: Any, otherwise: str) -> Any:
    if thing is None:
        raise HTTPException(404, otherwise)
    return thing


def _error(line: str, status: int) -> Response:
    return _Json({"error": " ".join(line.split())}, status_code=status)


def _said(request: Request, error: HTTPException) -> Response:
    return _error(error.detail, error.status_code)


def _refused(request: Request, error: UserError) -> Response:
    return _error(str(error), 409 if isinstance(error, Exists) else 400)


def _failed(request: Request, error: Exception) -> Response:
    return _error(f"{type(error).__name__}: {error}", 500)


class _Server(uvicorn.Server):
    """Says when it is ready."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._on_started()


def serve(app: Starlette, port: int, on_ready: Callable[[str], None]) -> None:
    """Serves on 127.0.0.1 until interrupted; port 0 takes a free one. `on_ready` is given the address of the page.

    UserError where the port is taken.
    """
    # With the protocol named asyncio sends small answers at once, not after the 40 ms of a delayed acknowledgement.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listening:
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listening.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise UserError(
                f"port {port} cannot be used: {error}; choose another, or 0 for any that is free"
            ) from error
        url = f"http://127.0.0.1:{listening.getsockname()[1]}/"
        config = uvicorn.Config(
            app, http="h11", ws="none", lifespan="off", log_level="warning", access_log=False, proxy_headers=False,
            server_header=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        _Server(config, lambda: on_ready(url)).run(sockets=[listening])

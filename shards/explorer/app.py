"""The explorer's HTTP routes for documents and media, and the server on loopback."""

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
from shards.clips_table import ClipTable
from shards.explorer.asks import ClipsRequest, LabelRequest, RequestBody, SaveRequest, SelectRequest
from shards.explorer.body import make_body_document
from shards.explorer.explorer import Explorer, SelectionExistsError
from shards.explorer.guard import Guard
from shards.explorer.media import Media
from shards.explorer.motion import make_motion_document
from shards.explorer.ranges import respond_with_range
from shards.explorer.runs import TrainingRun
from shards.reader import Dataset

_STATIC = Path(__file__).with_name("static")


class _JsonResponse(Response):
    media_type = "application/json"

    def render(self, content: Any) -> bytes:
        return json.dumps(content, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode(errors="replace")


def make_app(
    *,
    dataset: Dataset | None = None,
    clips: ClipTable | None = None,
    media: Sequence[Media] = (),
    labels: Path | Store | None = None,
    selections: Path | Store | None = None,
    building: bool = False,
    running: bool = False,
    run: Path | None = None,
) -> Starlette:
    """Make the explorer of a data set (`clips`), of a training run (`run`, its folder), or of both.

    `labels` is the file of labels, or the data set's store; `selections` the folder of saved thresholds. During the
    first build `dataset` is None, `building` is true, and `running` is true unless the build was stopped.
    """
    explorer = None
    if clips is not None:
        if labels is None or selections is None:
            raise ValueError("clips need a file for labels and a folder for selections")
        explorer = Explorer(
            dataset=dataset, clips=clips, media=media, labels=labels, selections=selections, building=building,
            running=running,
        )  # fmt: skip
    routes = [
        *_make_page_routes(explorer is None),
        *(_make_clip_routes(explorer) if explorer else ()),
        *(_make_run_routes(TrainingRun(run)) if run else ()),
        Route("/api/body", lambda request: _JsonResponse(make_body_document())),
        Mount("/static", StaticFiles(directory=_STATIC, check_dir=False)),
    ]
    handlers = {
        HTTPException: _handle_http_error,
        UserError: _handle_user_error,
        Exception: _handle_unexpected_error,
    }
    return Starlette(routes=routes, exception_handlers=handlers, middleware=[Middleware(Guard)])


def _make_page_routes(only_run: bool) -> list[Route]:
    def get_page(request: Request) -> Response:
        return FileResponse(_STATIC / "index.html", headers={"Cache-Control": "no-cache"})

    def get_front_page(request: Request) -> Response:
        return RedirectResponse("/runs") if only_run else get_page(request)

    return [Route("/", get_front_page), Route("/runs", get_page), Route("/clip/{clip_id:path}", get_page)]


def _make_json_endpoint(body_type: type[RequestBody], handle: Callable[[Any], Any]) -> Callable:
    """Make an endpoint that parses a JSON body and runs `handle` in a thread, so that the event loop stays free."""

    async def endpoint(request: Request) -> Response:
        body = body_type.parse(await request.body())
        return await run_in_threadpool(lambda: _JsonResponse(handle(body)))

    return endpoint


def _make_clip_routes(explorer: Explorer) -> list[Route]:
    described: list[_JsonResponse] = []
    no_video = "the video of this clip is not available"

    def get_dataset(request: Request) -> Response:
        if not described:
            described.append(_JsonResponse(explorer.describe_dataset()))
        return described[0]

    def get_histogram(request: Request) -> Response:
        return _JsonResponse(explorer.compute_histogram(request.query_params.get("column", "")))

    def get_labels(request: Request) -> Response:
        labels = explorer.labels.read()
        return _JsonResponse({clip_id: {"label": one.mark, "reason": one.why} for clip_id, one in labels.items()})

    def get_clip(request: Request) -> Response:
        return _JsonResponse(_require(explorer.describe_clip(request.path_params["clip_id"]), "no such clip"))

    def get_motion(request: Request) -> Response:
        data = explorer.read_clip(request.path_params["clip_id"])
        if data is None or (data.motion is None and data.pose2d is None):
            raise HTTPException(404, "this clip has no annotations")
        return _JsonResponse(make_motion_document(data))

    def get_video(request: Request) -> Response:
        mp4 = _require(explorer.get_mp4(request.path_params["clip_id"]), no_video)
        return respond_with_range(request, mp4, "video/mp4")

    def get_thumbnail(request: Request) -> Response:
        plain = request.query_params.get("plain", "") not in ("", "0")
        jpeg = _require(explorer.get_thumbnail(request.path_params["clip_id"], plain), no_video)
        return Response(jpeg, media_type="image/jpeg")

    return [
        Route("/api/dataset", get_dataset),
        Route("/api/histogram", get_histogram),
        Route("/api/labels", get_labels),
        Route("/api/clips", _make_json_endpoint(ClipsRequest, explorer.list_clips), methods=["POST"]),
        Route("/api/select", _make_json_endpoint(SelectRequest, explorer.count_selection), methods=["POST"]),
        Route("/api/selection", _make_json_endpoint(SaveRequest, explorer.save_selection), methods=["POST"]),
        Route("/api/label", _make_json_endpoint(LabelRequest, explorer.add_label), methods=["POST"]),
        Route("/api/clip/{clip_id:path}/motion", get_motion),
        Route("/api/clip/{clip_id:path}", get_clip),
        Route("/media/{clip_id:path}.mp4", get_video),
        Route("/media/{clip_id:path}.jpg", get_thumbnail),
    ]


def _make_run_routes(run: TrainingRun) -> list[Route]:
    def get_run(request: Request) -> Response:
        return _JsonResponse(run.make_document())

    def get_video(request: Request) -> Response:
        video = _require(run.find_video(request.path_params["name"]), "no such video")
        return respond_with_range(request, video, "video/mp4")

    return [Route("/api/runs", get_run), Route("/runs/{name:path}", get_video)]


def _require(found: Any, error: str) -> Any:
    if found is None:
        raise HTTPException(404, error)
    return found


def _make_error_response(message: str, status: int) -> Response:
    return _JsonResponse({"error": " ".join(message.split())}, status_code=status)


def _handle_http_error(request: Request, error: HTTPException) -> Response:
    return _make_error_response(error.detail, error.status_code)


def _handle_user_error(request: Request, error: UserError) -> Response:
    return _make_error_response(str(error), 409 if isinstance(error, SelectionExistsError) else 400)


def _handle_unexpected_error(request: Request, error: Exception) -> Response:
    return _make_error_response(f"{type(error).__name__}: {error}", 500)


class _Server(uvicorn.Server):
    """A server that calls `on_started` when it is ready."""

    def __init__(self, config: uvicorn.Config, on_started: Callable[[], None]) -> None:
        super().__init__(config)
        self._on_started = on_started

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets=sockets)
        if self.started:
            self._on_started()


def serve(app: Starlette, port: int, on_ready: Callable[[str], None]) -> None:
    """Serve on 127.0.0.1 until interrupted; port 0 takes a free one. `on_ready` receives the page's address.

    UserError if the port is taken.
    """
    # IPPROTO_TCP makes asyncio set TCP_NODELAY; otherwise small responses wait 40 ms for a delayed acknowledgement.
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            listener.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise UserError(f"port {port} cannot be used: {error}; choose another, or 0 for any free port") from error
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        config = uvicorn.Config(
            app, http="h11", ws="none", lifespan="off", log_level="warning", access_log=False, proxy_headers=False,
            server_header=False, timeout_graceful_shutdown=1,
        )  # fmt: skip
        _Server(config, lambda: on_ready(url)).run(sockets=[listener])

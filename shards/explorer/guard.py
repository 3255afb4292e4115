"""Keeps other pages out: the explorer answers to its own name alone, and only to its own page."""

from starlette.datastructures import Headers, MutableHeaders
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY = 1 << 20
_POLICY = (
    "default-src 'self'; img-src 'self' data: blob:; media-src 'self' blob:; worker-src 'self' blob:; "
    "object-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
_HEADERS = {
    "Content-Security-Policy": _POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
}


class TooLarge(HTTPException):
    """A request's body is longer than any of ours."""

    def __init__(self) -> None:
        super().__init__(413, f"the request is longer than {MAX_BODY} bytes")


class Guard:
    """ASGI middleware. A name that another host's page has made point at this machine is refused by its Host, a
    request from another page by its Origin; a form cannot post, since it cannot send JSON's type."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # no page of ours opens a socket
            return

        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        refusal = _refusal(scope)
        if refusal is None:
            await self._app(scope, _bounded(receive), headed)
        else:
            await JSONResponse({"error": refusal[1]}, status_code=refusal[0])(scope, receive, headed)


def _refusal(scope: Scope) -> tuple[int, str] | None:
    headers = Headers(scope=scope)
    port = scope["server"][1]
    names = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
    if port == 80:
        names |= {"127.0.0.1", "localhost"}
    hosts = headers.getlist("host")
    if len(hosts) != 1 or hosts[0].lower() not in names:
        return 403, f"this server answers to 127.0.0.1:{port} and localhost:{port} alone"
    if any(origin.lower() not in {f"http://{name}" for name in names} for origin in headers.getlist("origin")):
        return 403, "a request from another page is not answered"
    if scope["method"] not in ("GET", "HEAD", "POST"):
        return 405, "GET, HEAD and POST alone are answered"
    if scope["method"] == "POST":
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return 415, "send the request as application/json"
    return None


def _bounded(receive: Receive) -> Receive:
    taken = 0

    async def bounded() -> Message:
        nonlocal taken
        message = await receive()
        taken += len(message.get("body", b""))
        if taken > MAX_BODY:
            raise TooLarge
        return message

    return bounded

"""Protection against other web pages: requests are accepted only for this host name and from this page."""

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


class BodyTooLargeError(HTTPException):
    """A request's body is longer than MAX_BODY."""

    def __init__(self) -> None:
        super().__init__(413, f"the request is longer than {MAX_BODY} bytes")


class Guard:
    """ASGI middleware against DNS rebinding (by the Host header), requests from other pages (by Origin), and posts
    from forms, which cannot send JSON's content type."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":  # the page opens no web socket
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers[name] = value
                headers.setdefault("Cache-Control", "no-cache")
            await send(message)

        refusal = _find_refusal(scope)
        if refusal is None:
            await self._app(scope, _limit_body(receive), send_with_headers)
        else:
            await JSONResponse({"error": refusal[1]}, status_code=refusal[0])(scope, receive, send_with_headers)


def _find_refusal(scope: Scope) -> tuple[int, str] | None:
    """Return the status and the message with which to refuse the request; None to accept it."""
    headers = Headers(scope=scope)
    port = scope["server"][1]
    names = {f"{name}:{port}" for name in ("127.0.0.1", "localhost")}
    if port == 80:
        names |= {"127.0.0.1", "localhost"}
    hosts = headers.getlist("host")
    if len(hosts) != 1 or hosts[0].lower() not in names:
        return 403, f"this server accepts only the hosts 127.0.0.1:{port} and localhost:{port}"
    if any(origin.lower() not in {f"http://{name}" for name in names} for origin in headers.getlist("origin")):
        return 403, "requests from other pages are refused"
    if scope["method"] not in ("GET", "HEAD", "POST"):
        return 405, "only GET, HEAD and POST are allowed"
    if scope["method"] == "POST":
        kind = headers.get("content-type", "").partition(";")[0].strip().lower()
        if kind != "application/json":
            return 415, "send the request as application/json"
    return None


def _limit_body(receive: Receive) -> Receive:
    size = 0

    async def receive_limited() -> Message:
        nonlocal size
        message = await receive()
        size += len(message.get("body", b""))
        if size > MAX_BODY:
            raise BodyTooLargeError
        return message

    return receive_limited

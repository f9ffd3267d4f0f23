"""Cross-origin access for web shops: preflights answered, and every answer of a client route readable by its page.

Any origin may send: the write key of a web shop is public anyway, and speaks for its own device only.
"""

from starlette.datastructures import Headers, MutableHeaders
from starlette.responses import Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

_PREFIXES = ("/v1/projects/", "/beacon/")
_ROUTES = frozenset(
    f"/v1/{name}"
    for name in ("batch", "b", "track", "t", "identify", "i", "page", "p", "screen", "s", "group", "g", "alias", "a")
)
_HEADERS = "authorization, content-type, content-encoding, x-retry-count, anonymousid, sentat"
_MAX_AGE_SECONDS = "7200"


class BrowserAccess:
    """Outermost layer of the routes that browsers call."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or not _is_for_browsers(scope["path"]):
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if scope["method"] == "OPTIONS":
            await _preflight(headers, origin)(scope, receive, send)
        elif origin is None:
            await self._app(scope, receive, send)
        else:
            await self._app(scope, receive, _readable(send, origin))


def _is_for_browsers(path: str) -> bool:
    return path in _ROUTES or path.startswith(_PREFIXES)


def _preflight(headers: Headers, origin: str | None) -> Response:
    answer = Response(status_code=204)
    if origin is not None:
        _allow(answer.headers, origin)
        answer.headers["Access-Control-Allow-Methods"] = "GET, POST, OPTIONS"
        # A page may send headers that we never heard of, such as rsa-*; none of them is trusted.
        wanted = headers.get("access-control-request-headers") or _HEADERS
        answer.headers["Access-Control-Allow-Headers"] = wanted
        answer.headers["Access-Control-Max-Age"] = _MAX_AGE_SECONDS
    return answer


def _readable(send: Send, origin: str) -> Send:
    async def send_readable(message: Message) -> None:
        if message["type"] == "http.response.start":
            headers = MutableHeaders(scope=message)
            _allow(headers, origin)
            headers["Access-Control-Expose-Headers"] = "Retry-After, X-Request-ID"
        await send(message)

    return send_readable


def _allow(headers: MutableHeaders, origin: str) -> None:
    headers["Access-Control-Allow-Origin"] = origin
    headers["Access-Control-Allow-Credentials"] = "true"
    headers.add_vary_header("Origin")

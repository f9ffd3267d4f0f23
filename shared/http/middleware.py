"""What surrounds every request: its id and trace, its log line and time, its limits, and the answer to a bug.

Plain ASGI: one wrapped `send` and one wrapped `receive` per request, no task group.
"""

import asyncio
import math
import re
import time
from collections.abc import Mapping
from typing import Any

import structlog
from starlette.exceptions import HTTPException
from starlette.status import HTTP_200_OK, HTTP_500_INTERNAL_SERVER_ERROR
from starlette.types import ASGIApp, Message, Receive, Scope, Send
from structlog.contextvars import bind_contextvars, clear_contextvars

from shared import tracing
from shared.errors import Malformed, Unavailable
from shared.http.metrics import ACTIVE_REQUESTS, REQUEST_SECONDS
from shared.http.problem import domain_problem, internal_problem, problem_response
from shared.telemetry import begin_trace, random_hex, valid_traceparent

REQUEST_ID_HEADER = b"x-request-id"
ACTIVE_REQUESTS_MAX = 1000
BODY_IDLE_SECONDS = 20.0
BODY_SECONDS = 300.0
_SANE_REQUEST_ID = re.compile(rb"[A-Za-z0-9._:-]{1,128}")
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"})
# Asked for every few seconds by machines: measured, but not worth a line each.
_QUIET_ROUTES = frozenset({"/health/live", "/health/ready", "/metrics"})

log = structlog.get_logger()


class RequestEdge:
    """Outermost layer: names the request, measures and logs it, answers what nothing inside has answered."""

    def __init__(
        self,
        app: ASGIApp,
        service: str,
        active_requests_max: int = ACTIVE_REQUESTS_MAX,
        unlogged_routes: frozenset[str] = frozenset(),
    ) -> None:
        self._app = app
        self._unlogged_routes = unlogged_routes
        self._service = service
        self._active = 0
        self._active_max = active_requests_max
        self._active_gauge = ACTIVE_REQUESTS.labels(service)
        self._active_gauge.set_function(lambda: self._active)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        request_id, parent = _name_request(scope)
        answer = _Answer(send, request_id)
        started = time.perf_counter()
        self._active += 1
        try:
            if tracing.is_on() and scope["path"] not in _QUIET_ROUTES:
                await self._answer_traced(scope, receive, answer, request_id, parent)
            else:
                await self._answer(scope, receive, answer, request_id)
        finally:
            self._active -= 1
            self._record(scope, answer.status, time.perf_counter() - started)

    async def _answer_traced(
        self, scope: Scope, receive: Receive, answer: "_Answer", request_id: str, parent: str | None
    ) -> None:
        with tracing.span("request", tracing.Kind.SERVER, parent=parent) as span:
            await self._answer(scope, receive, answer, request_id)
            method, route = _method(scope), route_template(scope)
            span.rename(f"{method} {route}")
            span.tell("http.request.method", method)
            span.tell("http.route", route)
            span.tell("http.response.status_code", answer.status or 499)
            if answer.status is not None and answer.status >= HTTP_500_INTERNAL_SERVER_ERROR:
                span.fail(str(answer.status))

    async def _answer(self, scope: Scope, receive: Receive, answer: "_Answer", request_id: str) -> None:
        if self._active > self._active_max and scope["path"] not in _QUIET_ROUTES:
            overloaded = Unavailable("too many requests at once; ask again", retry_after_seconds=1)
            await domain_problem(request_id, overloaded)(scope, receive, answer)
            return
        if b"%00" in scope.get("raw_path", b"") or b"%00" in scope["query_string"]:
            # PostgreSQL's text cannot hold it, so no identifier can contain it.
            nul = Malformed("the address contains a NUL character")
            await domain_problem(request_id, nul)(scope, receive, answer)
            return
        try:
            await self._app(scope, receive, answer)
        except Exception:
            log.exception("request_failed", method=scope["method"], route=route_template(scope))
            if answer.status is not None:
                raise  # Half an answer is out: cutting the connection keeps it from being taken for whole.
            await internal_problem(request_id)(scope, receive, answer)

    def _record(self, scope: Scope, status: int | None, seconds: float) -> None:
        method = _method(scope)
        route = route_template(scope)
        REQUEST_SECONDS.labels(self._service, method, route, str(status or 499)).observe(seconds)
        is_quiet = route in _QUIET_ROUTES or (route in self._unlogged_routes and status == HTTP_200_OK)
        write = log.debug if is_quiet else log.info
        write("request_served", method=method, route=route, status=status, duration_ms=round(seconds * 1000, 2))


class _Answer:
    """The `send` of one request: adds its id to the head and remembers the status."""

    __slots__ = ("_request_id", "_send", "status")

    def __init__(self, send: Send, request_id: str) -> None:
        self._send = send
        self._request_id = request_id.encode()
        self.status: int | None = None

    async def __call__(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            message["headers"] = [*message.get("headers", ()), (REQUEST_ID_HEADER, self._request_id)]
        await self._send(message)


def _method(scope: Scope) -> str:
    method: str = scope["method"]
    return method if method in _METHODS else "OTHER"


def _name_request(scope: Scope) -> tuple[str, str | None]:
    """Return the request's id, and the caller's `traceparent` where it sent one."""
    given: bytes = b""
    traceparent: str | None = None
    for name, value in scope["headers"]:
        if name == REQUEST_ID_HEADER:
            given = value
        elif name == b"traceparent":
            traceparent = value.decode("latin-1")
    request_id = given.decode() if _SANE_REQUEST_ID.fullmatch(given) else random_hex(16)
    scope.setdefault("state", {})["request_id"] = request_id
    # A keep-alive connection's tasks may inherit the context of an earlier request.
    clear_contextvars()
    bind_contextvars(request_id=request_id, trace_id=begin_trace(traceparent))
    return request_id, valid_traceparent(traceparent)


def route_template(scope: Scope) -> str:
    """Return the matched route's path with its placeholders; the path asked for may name a person."""
    matched: Any = scope.get("fastapi", {}).get("effective_route_context") or scope.get("route")
    template = getattr(matched, "path_format", None) or getattr(matched, "path", None)
    return template if isinstance(template, str) else "unmatched"


class BodyTooLarge(HTTPException):
    """Raised while a body is being read; FastAPI passes on only this kind from there."""

    def __init__(self, bytes_max: int) -> None:
        super().__init__(413, f"the body is larger than {bytes_max} bytes")


class BodyTooSlow(HTTPException):
    """Raised while a body is being waited for: whoever trickles bytes must not hold a request open for ever."""

    def __init__(self) -> None:
        # The rest of the body may still come: the connection cannot serve another request.
        super().__init__(408, "the body came too slowly; send it again", headers={"Connection": "close"})


class BodyLimit:
    """Refuse bodies past `bytes_max`, at once where the length is declared, else while they stream in; and slow ones.

    A body is too slow when no part of it comes for `idle_seconds`, or it is not there after `total_seconds`.
    `bytes_max_at` has the limits of single paths that take whole files and never hold them in memory; these may take
    as long as they keep coming.
    """

    def __init__(
        self,
        app: ASGIApp,
        bytes_max: int,
        bytes_max_at: Mapping[str, int] | None = None,
        *,
        idle_seconds: float = BODY_IDLE_SECONDS,
        total_seconds: float = BODY_SECONDS,
    ) -> None:
        self._app = app
        self._bytes_max = bytes_max
        self._bytes_max_at = bytes_max_at or {}
        self._idle_seconds = idle_seconds
        self._total_seconds = total_seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        bytes_max = self._bytes_max_at.get(scope["path"], self._bytes_max)
        if _declared_length(scope) > bytes_max:
            await self._refuse(scope, receive, send, bytes_max)
            return
        total_seconds = math.inf if scope["path"] in self._bytes_max_at else self._total_seconds
        await self._app(scope, self._limited(receive, bytes_max, total_seconds), send)

    def _limited(self, receive: Receive, bytes_max: int, total_seconds: float) -> Receive:
        received = 0
        is_whole = False
        clock = asyncio.get_running_loop().time
        last_at = clock() + total_seconds

        async def limited() -> Message:
            nonlocal received, is_whole
            if is_whole:  # What comes now is the client's going away, whenever that is.
                return await receive()
            try:
                async with asyncio.timeout_at(min(clock() + self._idle_seconds, last_at)):
                    message = await receive()
            except TimeoutError:
                raise BodyTooSlow from None
            is_whole = not message.get("more_body", False)
            received += len(message.get("body", b""))
            if received > bytes_max:
                raise BodyTooLarge(bytes_max)
            return message

        return limited

    @staticmethod
    async def _refuse(scope: Scope, receive: Receive, send: Send, bytes_max: int) -> None:
        error = BodyTooLarge(bytes_max)
        # The rest of the body is still on its way: the connection cannot serve another request.
        response = problem_response(
            scope["state"]["request_id"],
            413,
            "body_too_large",
            error.detail,
            headers={"Connection": "close"},
        )
        await response(scope, receive, send)


def _declared_length(scope: Scope) -> int:
    for name, value in scope["headers"]:
        if name == b"content-length":
            return int(value) if value.isdigit() else 0
    return 0

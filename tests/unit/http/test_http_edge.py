"""The layers around every request: id, trace, log line, time, limits."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from prometheus_client import REGISTRY
from starlette.types import Message, Receive
from structlog.contextvars import get_contextvars
from structlog.testing import capture_logs

from shared.http.middleware import BodyLimit, BodyTooSlow, RequestEdge
from shared.telemetry import current_traceparent

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"


async def test_a_sane_request_id_is_kept_and_answered(client: httpx.AsyncClient) -> None:
    answer = await client.get("/health/live", headers={"X-Request-ID": "till-7.2026:1"})
    assert answer.headers["x-request-id"] == "till-7.2026:1"


@pytest.mark.parametrize("given", ["", "a b", "x" * 129, 'a"b', "ä"])
async def test_another_request_id_is_replaced(client: httpx.AsyncClient, given: str) -> None:
    answer = await client.get("/health/live", headers=[(b"X-Request-ID", given.encode("latin-1"))])
    assert len(answer.headers["x-request-id"]) == 32


async def test_each_request_without_an_id_gets_its_own(client: httpx.AsyncClient) -> None:
    answers = [await client.get("/health/live") for _ in range(3)]
    assert len({answer.headers["x-request-id"] for answer in answers}) == 3


async def test_one_line_tells_what_was_served_by_template_and_not_by_address(client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await client.get("/api/recommend/someone@example.org?token=abc")
    (line,) = [line for line in lines if line["event"] == "request_served"]
    assert (line["method"], line["route"], line["status"]) == ("GET", "/api/recommend/{user}", 200)
    assert line["duration_ms"] >= 0
    assert "someone" not in str(lines)
    assert "abc" not in str(lines)


async def test_health_questions_are_logged_only_for_debugging(client: httpx.AsyncClient) -> None:
    with capture_logs() as lines:
        await client.get("/health/live")
    assert [line["log_level"] for line in lines] == ["debug"]


def _measured(route: str, status: str) -> float:
    labels = {"service": "sample", "method": "GET", "route": route, "status": status}
    return REGISTRY.get_sample_value("http_server_request_duration_seconds_count", labels) or 0.0


@pytest.mark.parametrize(
    ("address", "route", "status"),
    [
        ("/api/recommend/u1", "/api/recommend/{user}", "200"),
        ("/v1/raise/bug", "/v1/raise/{kind}", "500"),
        ("/surprise", "unmatched", "404"),
    ],
)
async def test_time_is_measured_by_route_template_and_status(
    client: httpx.AsyncClient, address: str, route: str, status: str
) -> None:
    before = _measured(route, status)
    await client.get(address)
    assert _measured(route, status) == before + 1


async def test_metrics_are_served_in_prometheus_text(client: httpx.AsyncClient) -> None:
    await client.get("/v1/baskets")
    answer = await client.get("/metrics")
    assert answer.headers["content-type"].startswith("text/plain")
    assert 'route="/v1/baskets"' in answer.text
    assert 'http_server_active_requests{service="sample"} 1.0' in answer.text


async def test_a_declared_length_past_the_limit_is_refused_before_the_body_is_read(
    client: httpx.AsyncClient,
) -> None:
    answer = await client.post("/v1/baskets/1", content=b"x" * 20_001)
    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"
    assert answer.headers["connection"] == "close"


async def test_a_streamed_body_is_refused_when_it_passes_the_limit(client: httpx.AsyncClient) -> None:
    async def endless() -> AsyncIterator[bytes]:
        for _ in range(100):
            yield b" " * 1000

    answer = await client.post("/v1/baskets/1", content=endless(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert answer.json()["code"] == "body_too_large"


async def test_a_body_of_exactly_the_limit_is_taken(client: httpx.AsyncClient) -> None:
    body = b'{"lines": []}'.ljust(20_000)
    answer = await client.post("/v1/baskets/1", content=body, headers={"Content-Type": "application/json"})
    assert answer.status_code == 200


Send = Any
Scope = dict[str, Any]


def _scope(**changes: Any) -> Scope:
    return {
        "type": "http",
        "method": "GET",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
    } | changes


async def _nothing() -> dict[str, Any]:
    return {"type": "http.request", "body": b"", "more_body": False}


class _Sent:
    def __init__(self) -> None:
        self.messages: list[dict[str, Any]] = []

    async def __call__(self, message: Any) -> None:
        self.messages.append(message)

    @property
    def status(self) -> int:
        status: int = self.messages[0]["status"]
        return status


async def test_a_callers_trace_goes_on_and_context_does_not_leak_into_the_next_request() -> None:
    seen: list[tuple[str | None, dict[str, Any]]] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        seen.append((current_traceparent(), get_contextvars()))
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    edge = RequestEdge(app, "edge")
    traced = _scope(headers=[(b"traceparent", f"00-{TRACE}-00f067aa0ba902b7-01".encode())])
    await edge(traced, _nothing, _Sent())
    await edge(_scope(headers=[(b"traceparent", b"nonsense")]), _nothing, _Sent())
    assert seen[0][1]["trace_id"] == TRACE
    assert seen[1][1]["trace_id"] != TRACE
    assert seen[1][0] is not None
    assert seen[0][1]["request_id"] != seen[1][1]["request_id"]


async def test_an_exception_after_the_answer_began_cuts_the_connection() -> None:
    async def app(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        raise RuntimeError("halfway")

    with pytest.raises(RuntimeError, match="halfway"), capture_logs() as lines:
        await RequestEdge(app, "edge")(_scope(), _nothing, _Sent())
    assert "request_failed" in {line["event"] for line in lines}


async def test_past_its_limit_of_open_requests_it_refuses_but_still_tells_its_health() -> None:
    release = asyncio.Event()

    async def app(scope: Any, receive: Any, send: Any) -> None:
        if scope["path"] == "/slow":
            await release.wait()
        await send({"type": "http.response.start", "status": 204, "headers": []})
        await send({"type": "http.response.body"})

    edge = RequestEdge(app, "edge", active_requests_max=1)
    first, second, health = _Sent(), _Sent(), _Sent()
    waiting = asyncio.create_task(edge(_scope(path="/slow"), _nothing, first))
    await asyncio.sleep(0)
    await edge(_scope(path="/other"), _nothing, second)
    await edge(_scope(path="/health/live"), _nothing, health)
    release.set()
    await waiting
    assert (first.status, second.status, health.status) == (204, 503, 204)
    assert (b"retry-after", b"1") in second.messages[0]["headers"]


async def test_what_is_not_http_passes_through() -> None:
    passed: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["type"])

    await RequestEdge(BodyLimit(app, 1), "edge")({"type": "lifespan"}, _nothing, _Sent())
    assert passed == ["lifespan"]


@pytest.mark.parametrize(("idle_seconds", "total_seconds"), [(0.05, 10.0), (10.0, 0.05)])
async def test_a_body_that_does_not_come_is_given_up(idle_seconds: float, total_seconds: float) -> None:
    """Between its parts, or as a whole."""
    never = asyncio.Event()

    async def receive() -> Message:
        if never.is_set():
            await asyncio.Event().wait()
        never.set()
        return {"type": "http.request", "body": b"{", "more_body": True}

    async def read(_scope: Scope, receive: Receive, _send: Send) -> None:
        while (await receive()).get("more_body"):
            pass

    app: Any = read
    limit = BodyLimit(app, 1000, idle_seconds, total_seconds)
    with pytest.raises(BodyTooSlow):
        await limit({"type": "http", "headers": []}, receive, receive)  # type: ignore[arg-type]


async def test_a_whole_body_may_be_answered_as_slowly_as_it_takes() -> None:
    gone = asyncio.Event()
    messages = [{"type": "http.request", "body": b"{}", "more_body": False}]

    async def receive() -> Message:
        if messages:
            return messages.pop()
        await gone.wait()
        return {"type": "http.disconnect"}

    async def wait_for_the_end(_scope: Scope, receive: Receive, _send: Send) -> None:
        await receive()
        asyncio.get_running_loop().call_later(0.1, gone.set)
        assert (await receive())["type"] == "http.disconnect"

    app: Any = wait_for_the_end
    limit = BodyLimit(app, 1000, idle_seconds=0.02, total_seconds=0.02)
    await limit({"type": "http", "headers": []}, receive, receive)  # type: ignore[arg-type]

"""Calls from one service to another carry who, which request and which trace."""

import importlib.util

import httpx
import structlog
from pydantic import SecretStr

from shared.http.client import service_client
from shared.telemetry import begin_trace, current_traceparent

TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


async def _headers_sent() -> httpx.Headers:
    sent: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        sent.append(request.headers)
        return httpx.Response(200)

    async with service_client(
        "http://peer", SecretStr("rgl_x"), 1.0, transport=httpx.MockTransport(answer)
    ) as client:
        await client.get("/v1/log/heads")
    return sent[0]


async def test_the_key_the_request_id_and_the_trace_travel() -> None:
    begin_trace(TRACEPARENT)
    structlog.contextvars.bind_contextvars(request_id="r-1")
    try:
        headers = await _headers_sent()
    finally:
        structlog.contextvars.clear_contextvars()
    assert headers["authorization"] == "Bearer rgl_x"
    assert headers["x-request-id"] == "r-1"
    trace, span = headers["traceparent"][3:35], headers["traceparent"][36:52]
    assert trace == TRACEPARENT[3:35]
    assert span != TRACEPARENT[36:52]
    assert headers["traceparent"].endswith("-01")
    assert current_traceparent() == TRACEPARENT


async def test_outside_a_request_nothing_is_invented() -> None:
    headers = await _headers_sent()
    assert "x-request-id" not in headers


async def test_no_wait_is_without_end() -> None:
    async with service_client("http://peer", SecretStr("k"), 3.0) as client:
        timeout = client.timeout
        assert not client.trust_env
        assert not client.follow_redirects
    assert (timeout.connect, timeout.read, timeout.write, timeout.pool) == (2.0, 3.0, 3.0, 3.0)


def test_a_call_does_not_search_the_disk_for_what_is_missing() -> None:
    """The transport asks for this library at every lock; Python searches anew each time while it is not there."""
    assert importlib.util.find_spec("sniffio") is not None

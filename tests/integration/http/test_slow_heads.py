"""Connections whose headers do not come, or do not end, are closed; those that do are served on. Real sockets."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator

import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from regulars.ports import free_port
from shared.http import server
from shared.http.heads import HEAD_BYTES_MAX, HEAD_SECONDS, BoundedHeads

SECONDS = 0.6
REQUEST = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
Connection = tuple[asyncio.StreamReader, asyncio.StreamWriter]


class _Impatient(BoundedHeads):
    head_seconds = SECONDS


async def _answer(request: Request) -> PlainTextResponse:
    await asyncio.sleep(float(request.query_params.get("seconds", "0")))
    return PlainTextResponse(str(len(await request.body())))


@pytest.fixture
async def port() -> AsyncIterator[int]:
    chosen = free_port()
    app = Starlette(routes=[Route("/", _answer, methods=["GET", "POST"])])
    config = uvicorn.Config(app, port=chosen, http=_Impatient, log_config=None, lifespan="off", timeout_keep_alive=30)
    running = uvicorn.Server(config)
    task = asyncio.create_task(running.serve())
    while not running.started:  # noqa: ASYNC110 (uvicorn has no event for it)
        await asyncio.sleep(0.01)
    yield chosen
    running.should_exit = True
    await task


@contextlib.asynccontextmanager
async def connected(port: int) -> AsyncIterator[Connection]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        yield reader, writer
    finally:
        writer.close()
        with contextlib.suppress(ConnectionError):
            await writer.wait_closed()


async def until_closed(reader: asyncio.StreamReader) -> bytes:
    found = b""
    async with asyncio.timeout(10 * SECONDS):
        # What was on its way when the connection was closed resets it.
        with contextlib.suppress(ConnectionError):
            while part := await reader.read(1000):
                found += part
    return found


async def test_a_head_that_comes_byte_by_byte_is_answered_408_and_closed(port: int) -> None:
    async with connected(port) as (reader, writer):
        begun = time.monotonic()
        closing = asyncio.create_task(reader.readuntil(b"\r\n\r\n"))
        for byte in REQUEST[:-2] + b"X-Slow: " + b"a" * 10_000:
            if closing.done():
                break
            with contextlib.suppress(ConnectionError):
                writer.write(bytes([byte]))
                await writer.drain()
            await asyncio.sleep(0.02)
        assert (await closing).startswith(b"HTTP/1.1 408")
        assert SECONDS * 0.9 <= time.monotonic() - begun < SECONDS * 5


async def test_a_connection_that_says_nothing_is_closed(port: int) -> None:
    async with connected(port) as (reader, _):
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 408")


async def test_blank_lines_between_requests_hold_no_connection(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(REQUEST)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readexactly(1)
        closing = asyncio.create_task(until_closed(reader))
        begun = time.monotonic()
        while not closing.done():
            with contextlib.suppress(ConnectionError):
                writer.write(b"\r\n")
                await writer.drain()
            await asyncio.sleep(0.05)
        assert time.monotonic() - begun < SECONDS * 5


async def test_a_second_request_whose_head_does_not_end_is_closed_too(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(REQUEST)
        await reader.readuntil(b"\r\n\r\n")
        await reader.readexactly(1)
        writer.write(REQUEST[:20])
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 408")


async def test_a_head_that_is_too_large_is_answered_431_and_closed(port: int) -> None:
    async with connected(port) as (reader, writer):
        writer.write(REQUEST[:-2])
        with contextlib.suppress(ConnectionError):
            for number in range(HEAD_BYTES_MAX // 1000 + 2):
                writer.write(b"X-%d: " % number + b"a" * 1000 + b"\r\n")
                await writer.drain()
        assert (await until_closed(reader)).startswith(b"HTTP/1.1 431")


async def test_a_slow_answer_a_quiet_keep_alive_and_a_slow_body_are_no_slow_heads(port: int) -> None:
    async with connected(port) as (reader, writer):
        slow = REQUEST.replace(b"GET / ", b"GET /?seconds=%.1f " % (SECONDS * 1.5))
        writer.write(slow)
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        await reader.readexactly(1)
        await asyncio.sleep(SECONDS * 1.5)
        writer.write(b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n")
        for _ in range(4):
            await asyncio.sleep(SECONDS / 2)
            writer.write(b"x")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200")
        assert await reader.readexactly(1) == b"4"


def test_the_apis_are_served_with_these_limits() -> None:
    assert vars(server)["BoundedHeads"] is BoundedHeads
    assert BoundedHeads.head_seconds == HEAD_SECONDS

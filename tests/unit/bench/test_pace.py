"""The client that makes load, against a small server: every request once, times from when they were due."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import pytest

from regulars.bench.pace import at_rate, connected, each_in_time, flat_out, punctually
from regulars.bench.wire import NoAnswer, Request, UnexpectedAnswer

Responder = Callable[[bytes, bytes], bytes]


def _answer(body: bytes, status: str = "200 OK") -> bytes:
    return (
        f"HTTP/1.1 {status}\r\ncontent-type: application/json\r\nContent-Length: {len(body)}\r\n\r\n".encode() + body
    )


@asynccontextmanager
async def _server(respond: Responder, delay_seconds: float = 0.0) -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while not reader.at_eof():
            try:
                head = await reader.readuntil(b"\r\n\r\n")
            except asyncio.IncompleteReadError:
                break
            length = int(head.split(b"Content-Length: ")[1].split(b"\r\n")[0])
            body = await reader.readexactly(length)
            await asyncio.sleep(delay_seconds)
            writer.write(respond(head, body))
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"


def _echo(head: bytes, body: bytes) -> bytes:
    del head
    return _answer(body)


def _posts(count: int) -> list[Request]:
    return [Request("POST", "/v1/things", str(number).encode()) for number in range(count)]


async def test_every_request_is_sent_once_and_answers_keep_their_order() -> None:
    async with _server(_echo) as address, connected(address, {}, 3) as opened:
        run = (await flat_out(opened, _posts(20))).checked()
    assert [answer.json() for answer in run.answers] == list(range(20))
    assert len(run.times_ms) == 20
    assert run.per_second > 0


async def test_common_and_own_headers_go_with_a_request() -> None:
    heads: list[bytes] = []

    def remember(head: bytes, body: bytes) -> bytes:
        heads.append(head)
        return _answer(body)

    own = Request("POST", "/v1/redemptions", b"{}", (("Idempotency-Key", "k1"),))
    async with _server(remember) as address, connected(address, {"Authorization": "Bearer x"}, 1) as opened:
        await flat_out(opened, [own])
    assert heads[0].startswith(b"POST /v1/redemptions HTTP/1.1\r\n")
    assert b"Idempotency-Key: k1\r\n" in heads[0]
    assert b"Authorization: Bearer x\r\n" in heads[0]


async def test_an_open_loop_counts_from_when_a_request_was_due() -> None:
    # One connection and 50 ms an answer: the fifth request of five that are due at once waits for four others.
    async with _server(_echo, delay_seconds=0.05) as address, connected(address, {}, 1) as opened:
        run = await at_rate(opened, _posts(5), per_second=1000)
    assert max(run.times_ms) >= 200
    assert min(run.times_ms) >= 45


async def test_an_open_loop_keeps_its_rate() -> None:
    async with _server(_echo) as address, connected(address, {}, 4) as opened:
        run = (await at_rate(opened, _posts(20), per_second=100)).checked()
    assert run.seconds >= 0.19


async def test_an_open_loop_makes_nothing_ahead_of_its_time() -> None:
    alive: list[int] = []

    async def send(number: int, due: float) -> int:
        del due
        alive.append(len(asyncio.all_tasks()))
        return number

    assert await each_in_time(send, 200, per_second=2000) == list(range(200))
    assert max(alive) < 100


async def test_an_open_loop_stops_at_the_first_that_fails() -> None:
    sent: list[int] = []

    async def send(number: int, due: float) -> None:
        del due
        sent.append(number)
        if number == 2:
            raise NoAnswer("gone")
        await asyncio.Event().wait()

    with pytest.raises(NoAnswer, match="gone"):
        await each_in_time(send, 1000, per_second=1000)
    assert len(sent) < 1000


async def test_a_refusal_is_not_measured_as_success() -> None:
    async with (
        _server(lambda _head, _body: _answer(b'{"code":"forbidden"}', "403 Forbidden")) as address,
        connected(address, {}, 1) as opened,
    ):
        run = await flat_out(opened, _posts(1))
    with pytest.raises(UnexpectedAnswer, match=r"403.*forbidden"):
        run.checked()


async def test_an_answer_without_a_length_is_refused() -> None:
    async with (
        _server(lambda _head, _body: b"HTTP/1.1 200 OK\r\n\r\n") as address,
        connected(address, {}, 1) as opened,
    ):
        with pytest.raises(NoAnswer, match="without a stated length"):
            await flat_out(opened, _posts(1))


def test_a_loop_of_exact_timers_does_not_oversleep_a_millisecond() -> None:
    async def overslept() -> float:
        loop = asyncio.get_running_loop()
        late = []
        for _ in range(30):
            due = loop.time() + 0.0021
            await asyncio.sleep(due - loop.time())
            late.append(loop.time() - due)
        return min(late)

    assert punctually(overslept()) < 0.0005

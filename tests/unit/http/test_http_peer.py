"""Questions to a peer over real sockets: what it answers, and everything that can go wrong on the way."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
import structlog
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind
from pydantic import SecretStr

from regulars.ports import HOST, free_port
from shared.breaker import FAILURES
from shared.http import peer as peers
from shared.http.peer import Answer, Peer, PeerAway
from shared.telemetry import begin_trace
from tests.fixtures import waiting

OK = b'HTTP/1.1 200 OK\r\nContent-Length: 7\r\n\r\n{"a":1}'
DONE = Answer(200, b'{"a":1}')
TRACEPARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"

Replying = Callable[[asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Service:
    """Listens on loopback; says of each question what the test planned, then `OK` for ever."""

    port: int = 0
    plan: list[bytes | Replying] = field(default_factory=list)
    questions: list[bytes] = field(default_factory=list)
    connections: int = 0
    open_now: int = 0
    at_once: int = 0
    """The most questions that were open together."""
    delay_seconds: float = 0.0
    _waiting: int = 0
    _serving: set["asyncio.Task[None]"] = field(default_factory=set)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        self.open_now += 1
        task = asyncio.current_task()
        assert task is not None
        self._serving.add(task)
        try:
            while not writer.is_closing():
                await self._answer(reader, writer)
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass  # the peer went, or the test is over
        finally:
            self.open_now -= 1
            self._serving.discard(task)
            writer.close()

    async def stop(self) -> None:
        """End what is still served: a peer that hangs would hang for ever."""
        serving = list(self._serving)
        for task in serving:
            task.cancel()
        await asyncio.gather(*serving, return_exceptions=True)

    async def _answer(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        length = int(head.lower().partition(b"content-length:")[2].partition(b"\r\n")[0] or 0)
        self.questions.append(head + await reader.readexactly(length))
        self._waiting += 1
        self.at_once = max(self.at_once, self._waiting)
        if self.delay_seconds:
            await asyncio.sleep(self.delay_seconds)
        self._waiting -= 1
        reply = self.plan.pop(0) if self.plan else OK
        if isinstance(reply, bytes):
            writer.write(reply)
            await writer.drain()
        else:
            await reply(writer)


@asynccontextmanager
async def listening(*plan: bytes | Replying) -> AsyncIterator[Service]:
    service = Service(free_port(), list(plan))
    server = await asyncio.start_server(service.serve, HOST, service.port)
    try:
        yield service
    finally:
        server.close()
        await service.stop()


def peer(service: Service, timeout_seconds: float = 2.0, prefix: str = "") -> Peer:
    return Peer.at(f"http://{HOST}:{service.port}{prefix}", SecretStr("rgl_x"), timeout_seconds)


async def hang_up(writer: asyncio.StreamWriter) -> None:
    writer.close()


async def say_nothing(writer: asyncio.StreamWriter) -> None:
    await asyncio.sleep(30)


async def until(holds: Callable[[], bool]) -> None:
    async def condition() -> bool:
        return holds()

    await waiting.until(condition, 5.0)


class TestWhatIsAsked:
    async def test_key_document_request_and_trace_travel(self) -> None:
        begin_trace(TRACEPARENT)
        structlog.contextvars.bind_contextvars(request_id="r-1")
        try:
            async with listening() as service, peer(service) as asking:
                assert await asking.ask("POST", "/v1/subjects:resolve", {"value": "张"}) == DONE
        finally:
            structlog.contextvars.clear_contextvars()
        head, _, body = service.questions[0].partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = dict(line.split(": ", 1) for line in lines)
        assert first == "POST /v1/subjects:resolve HTTP/1.1"
        assert (headers["Host"], headers["Authorization"]) == (f"{HOST}:{service.port}", "Bearer rgl_x")
        assert (headers["X-Request-ID"], headers["Content-Type"]) == ("r-1", "application/json")
        assert headers["traceparent"][:36] == TRACEPARENT[:36]
        assert headers["traceparent"] != TRACEPARENT
        assert body.decode() == '{"value":"张"}'

    async def test_a_question_is_a_span_on_which_the_others_hang(self, exporter: InMemorySpanExporter) -> None:
        begin_trace(TRACEPARENT)
        refusal = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
        async with listening(refusal) as service, peer(service) as asking:
            await asking.ask("GET", "/v1/subjects/13988887777/relations")
        (span,) = exporter.get_finished_spans()
        assert (span.name, span.kind) == ("GET", SpanKind.CLIENT)
        assert span.context is not None
        assert f"traceparent: {TRACEPARENT[:36]}{span.context.span_id:016x}".encode() in service.questions[0]
        assert dict(span.attributes or {}) == {
            "http.request.method": "GET",
            "server.address": HOST,
            "server.port": service.port,
            "http.response.status_code": 404,
        }

    async def test_a_path_in_front_of_the_address_stays(self) -> None:
        async with listening() as service, peer(service, prefix="/ingest/") as asking:
            await asking.ask("GET", "/v1/log/heads")
        assert service.questions[0].startswith(b"GET /ingest/v1/log/heads HTTP/1.1\r\n")

    @pytest.mark.parametrize("path", ["", "v1", "/a b", "/a\r\nX-Evil: 1", "/\u5f20"])
    async def test_what_is_no_path_is_never_sent(self, path: str) -> None:
        async with listening() as service, peer(service) as asking:
            with pytest.raises(ValueError, match="not a path"):
                await asking.ask("GET", path)
        assert service.questions == []

    @pytest.mark.parametrize("address", ["", "127.0.0.1:8001", "ftp://ingest", "http://"])
    def test_an_address_that_is_none_is_refused_at_the_start(self, address: str) -> None:
        with pytest.raises(ValueError, match="not the address"):
            Peer.at(address, SecretStr("k"))


class TestAnswers:
    @pytest.mark.parametrize(
        ("reply", "answer"),
        [
            pytest.param(OK, DONE, id="of stated length"),
            pytest.param(
                b'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\n{"a\r\n4\r\n":1}\r\n0\r\n\r\n',
                DONE,
                id="in chunks",
            ),
            pytest.param(b"HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\n{}", Answer(404, b"{}"), id="refused"),
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", Answer(200, b""), id="without a body"),
        ],
    )
    async def test_a_whole_answer_is_read(self, reply: bytes, answer: Answer) -> None:
        async with listening(reply) as service, peer(service) as asking:
            assert await asking.ask("GET", "/") == answer
            assert await asking.ask("GET", "/") == DONE
        assert service.connections == 1

    async def test_an_answer_may_come_byte_by_byte(self) -> None:
        async def slowly(writer: asyncio.StreamWriter) -> None:
            for place in range(len(OK)):
                writer.write(OK[place : place + 1])
                await writer.drain()

        async with listening(slowly) as service, peer(service) as asking:
            assert await asking.ask("GET", "/") == DONE

    @pytest.mark.parametrize(
        "reply",
        [
            pytest.param(b"SSH-2.0-OpenSSH_9.6\r\n", id="another protocol"),
            pytest.param(b"HTTP/1.1 200 OK\r\nContent-Length: x\r\n\r\n", id="no length"),
        ],
    )
    async def test_what_is_no_answer_is_a_peer_that_is_away(self, reply: bytes) -> None:
        async with listening(reply) as service, peer(service) as asking:
            with pytest.raises(PeerAway):
                await asking.ask("GET", "/")
            assert await asking.ask("GET", "/") == DONE

    async def test_a_peer_that_closes_every_connection_is_away(self) -> None:
        async with listening(hang_up, hang_up) as service, peer(service) as asking:
            with pytest.raises(PeerAway):
                await asking.ask("POST", "/")
            assert await asking.ask("POST", "/") == DONE

    async def test_half_an_answer_is_none_and_is_not_asked_for_again(self) -> None:
        async def half(writer: asyncio.StreamWriter) -> None:
            writer.write(OK[:-3])
            await writer.drain()
            writer.close()

        async with listening(OK, half) as service, peer(service) as asking:
            await asking.ask("GET", "/")
            with pytest.raises(PeerAway):
                await asking.ask("GET", "/")
        assert len(service.questions) == 2

    async def test_an_answer_without_end_is_cut_off(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(peers, "ANSWER_BYTES_MAX", 1000)

        async def without_end(writer: asyncio.StreamWriter) -> None:
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            while not writer.is_closing():
                writer.write(b"64\r\n" + b"x" * 100 + b"\r\n")
                await writer.drain()

        async with listening(without_end) as service, peer(service) as asking:
            with pytest.raises(PeerAway):
                await asking.ask("GET", "/")
            await until(lambda: service.open_now == 0)


class TestConnections:
    async def test_one_is_kept_for_question_after_question(self) -> None:
        async with listening() as service, peer(service) as asking:
            for _ in range(5):
                await asking.ask("GET", "/")
        assert (service.connections, len(service.questions)) == (1, 5)

    async def test_one_that_the_peer_will_close_is_not_used_again(self) -> None:
        last = OK.replace(b"200 OK\r\n", b"200 OK\r\nConnection: close\r\n")
        async with listening(last) as service, peer(service) as asking:
            for _ in range(2):
                assert await asking.ask("GET", "/") == DONE
        assert service.connections == 2

    async def test_one_that_was_closed_unused_costs_nobody_their_answer(self) -> None:
        async def answer_and_close(writer: asyncio.StreamWriter) -> None:
            writer.write(OK)
            await writer.drain()
            writer.close()

        async with listening(*[answer_and_close] * 3) as service, peer(service) as asking:
            for _ in range(4):
                assert await asking.ask("GET", "/") == DONE

    async def test_one_that_is_closed_at_the_question_is_asked_again_over_a_new_one(self) -> None:
        for method in ("GET", "POST"):
            async with listening(OK, hang_up) as service, peer(service) as asking:
                for _ in range(2):
                    assert await asking.ask(method, "/") == DONE
            assert len(service.questions) == 3

    async def test_one_that_nobody_used_for_long_is_closed(self) -> None:
        async with listening() as service, peer(service) as asking:
            asking.idle_seconds = 0.05
            await asking.ask("GET", "/")
            await until(lambda: service.open_now == 0)
            assert await asking.ask("GET", "/") == DONE
        assert service.connections == 2

    async def test_they_are_limited_and_the_others_wait_their_turn(self, monkeypatch: pytest.MonkeyPatch) -> None:
        async with listening() as service, peer(service) as asking:
            service.delay_seconds = 0.02
            asking.connections_max = 3
            answers = await asyncio.gather(*(asking.ask("GET", "/") for _ in range(12)))
        assert answers == [DONE] * 12
        assert service.at_once == 3

    async def test_closing_the_peer_closes_them(self) -> None:
        async with listening() as service:
            async with peer(service) as asking:
                await asking.ask("GET", "/")
            await until(lambda: service.open_now == 0)

    async def test_more_than_was_asked_for_ends_one(self) -> None:
        async with listening(OK + OK) as service, peer(service) as asking:
            await asking.ask("GET", "/")
            assert await asking.ask("GET", "/") == DONE


class TestWaiting:
    async def test_no_answer_in_time_is_a_peer_that_is_away(self) -> None:
        async with listening(say_nothing) as service, peer(service, 0.1) as asking:
            with pytest.raises(PeerAway, match="TimeoutError"):
                await asking.ask("GET", "/")
            assert await asking.ask("GET", "/") == DONE
        assert service.connections == 2

    async def test_waiting_for_a_free_connection_counts(self) -> None:
        async with listening(say_nothing) as service, peer(service, 0.1) as asking:
            asking.connections_max = 1
            done = await asyncio.gather(*(asking.ask("GET", "/") for _ in range(2)), return_exceptions=True)
        assert isinstance(done[0], PeerAway)
        assert len(service.questions) <= 2

    async def test_nobody_listening_is_a_peer_that_is_away(self) -> None:
        async with Peer.at(f"http://{HOST}:{free_port()}", SecretStr("k"), 2.0) as asking:
            with pytest.raises(PeerAway):
                await asking.ask("GET", "/")

    async def test_who_stops_waiting_takes_the_connection_along_and_leaves_the_place(self) -> None:
        async with listening(say_nothing) as service, peer(service) as asking:
            asking.connections_max = 1
            waiting = asyncio.create_task(asking.ask("GET", "/"))
            await until(lambda: len(service.questions) == 1)
            waiting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await waiting
            assert await asking.ask("GET", "/") == DONE
        assert service.connections == 2
        assert not asking.breaker.is_open


class TestLeavingAlone:
    async def test_a_peer_that_never_answers_is_not_asked_by_everybody(self) -> None:
        async with listening(*[hang_up] * 50) as service, peer(service) as asking:
            for _ in range(FAILURES + 10):
                with pytest.raises(PeerAway):
                    await asking.ask("POST", "/")
        assert len(service.questions) == 2 * FAILURES, "each is asked once more over a new connection"

    async def test_it_is_asked_again_when_it_has_rested(self) -> None:
        now = [0.0]
        unavailable = b"HTTP/1.1 503 Service Unavailable\r\nContent-Length: 0\r\n\r\n"
        async with listening(*[unavailable] * FAILURES) as service, peer(service) as asking:
            asking.breaker.monotonic = lambda: now[0]
            for _ in range(FAILURES):
                assert (await asking.ask("GET", "/")).status == 503
            with pytest.raises(PeerAway, match="left alone"):
                await asking.ask("GET", "/")
            now[0] = asking.breaker.rest_seconds
            assert await asking.ask("GET", "/") == DONE
            assert await asking.ask("GET", "/") == DONE

    async def test_a_refusal_is_an_answer(self) -> None:
        refusal = b"HTTP/1.1 422 Unprocessable\r\nContent-Length: 0\r\n\r\n"
        async with listening(*[refusal] * 20) as service, peer(service) as asking:
            for _ in range(20):
                assert (await asking.ask("GET", "/")).status == 422
        assert len(service.questions) == 20

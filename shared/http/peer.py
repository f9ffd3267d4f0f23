"""Questions to another service that somebody waits for: kept-alive connections and a parser in C, nothing between.

A general client takes 0.8 ms of processor time a question, a large part of a look-up at a till; this one a tenth of
that. It knows what the services answer: a status and a body of bounded size. It follows no redirects, keeps no
cookies and heeds no proxy settings, which must not redirect a service's key.
"""

import asyncio
import re
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Self, cast
from urllib.parse import SplitResult, urlsplit

import httptools
import orjson
from pydantic import SecretStr
from structlog.contextvars import get_contextvars

from shared.errors import TransientError
from shared.http.breaker import Breaker
from shared.telemetry import child_traceparent

CONNECT_SECONDS = 2.0
CONNECTIONS_MAX = 20
IDLE_SECONDS = 15.0
"""How long a connection is kept unused: half of what the services keep theirs for."""
ANSWER_BYTES_MAX = 8_000_000
_PATH = re.compile(r"/[!-~]*")
_AWAY = frozenset({502, 503, 504})
"""Statuses that say the same as no answer: not now."""


class PeerAway(TransientError):
    """The peer did not answer in time, or not as one of ours; the same question may be answered later."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, whatever its status."""

    status: int
    body: bytes


class Connection(asyncio.Protocol):
    """One connection, one question at a time. `is_usable` is false once another question must not go over it."""

    def __init__(self) -> None:
        self.is_usable = True
        self.has_begun = False
        """Whether anything of the present answer has come."""
        self.left_at = 0.0
        self._transport: asyncio.Transport | None = None
        self._parser: Any = None
        self._whole: asyncio.Future[Answer] | None = None
        self._body = bytearray()
        self._came = 0

    def ask(self, question: bytes) -> asyncio.Future[Answer]:
        """Send a whole request; the future fails with ConnectionError or HttpParserError."""
        assert self._transport is not None
        self.has_begun = False
        self._came = 0
        self._body = bytearray()
        self._parser = httptools.HttpResponseParser(self)
        self._whole = asyncio.get_running_loop().create_future()
        self._transport.write(question)
        return self._whole

    def drop(self) -> None:
        """End the connection at once, whatever is under way."""
        self.is_usable = False
        self._whole = None
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self.has_begun = True
        self._came += len(data)
        if self._whole is None or self._came > ANSWER_BYTES_MAX:
            self._fail(ConnectionError("the peer said more than was asked for"))
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._fail(error)

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(exc or ConnectionResetError("the connection was closed"))

    def on_body(self, part: bytes) -> None:
        self._body += part

    def on_message_complete(self) -> None:
        whole, self._whole = self._whole, None
        self.is_usable = self._parser.should_keep_alive()
        if whole is not None and not whole.done():
            whole.set_result(Answer(self._parser.get_status_code(), bytes(self._body)))

    def _fail(self, error: Exception) -> None:
        whole = self._whole
        self.drop()
        if whole is not None and not whole.done():
            whole.set_exception(error)


@dataclass(slots=True)
class Peer:
    """One other service. Keep it for the process's life and close it at its end.

    Only for questions, which change nothing: one whose kept connection turns out to be closed is asked again over
    a new one. Who stops waiting takes their connection with them.
    """

    address: SplitResult
    key: SecretStr
    timeout_seconds: float
    """Of a question in all: waiting for a free connection, connecting, and the answer."""
    breaker: Breaker
    monotonic: Callable[[], float] = time.monotonic
    _idle: deque[Connection] = field(default_factory=deque)
    _places: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(CONNECTIONS_MAX))
    _context: ssl.SSLContext | None = None

    @classmethod
    def at(cls, base_url: str, key: SecretStr, timeout_seconds: float = 5.0) -> Self:
        """Return the service at an address. Raises ValueError for one that is none of HTTP's."""
        address = urlsplit(base_url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ValueError(f"not the address of a service: {base_url!r}")
        context = ssl.create_default_context() if address.scheme == "https" else None
        return cls(address, key, timeout_seconds, Breaker(), _context=context)

    async def ask(self, method: str, path: str, document: object = None) -> Answer:
        """Ask, with a JSON document or without; return the answer whatever its status.

        Raises PeerAway when there is none in time, or the peer is left alone after several of these.
        """
        if not self.breaker.lets_pass():
            raise PeerAway(f"{self.address.netloc} has not answered lately and is left alone for a moment")
        try:
            async with asyncio.timeout(self.timeout_seconds), self._places:
                answer = await self._asked(self._question(method, path, document))
        except (OSError, httptools.HttpParserError) as error:
            self.breaker.failed()
            raise PeerAway(f"{self.address.netloc}{path}: {type(error).__name__}: {error}") from error
        if answer.status in _AWAY:
            self.breaker.failed()
        else:
            self.breaker.succeeded()
        return answer

    async def close(self) -> None:
        while self._idle:
            self._idle.pop().drop()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    def _question(self, method: str, path: str, document: object) -> bytes:
        if not _PATH.fullmatch(path):
            raise ValueError(f"not a path of HTTP: {path!r}")
        body = b"" if document is None else orjson.dumps(document)
        lines = [
            f"{method} {self.address.path.rstrip('/')}{path} HTTP/1.1",
            f"Host: {self.address.netloc}",
            f"Authorization: Bearer {self.key.get_secret_value()}",
            "Accept: application/json",
            "Content-Type: application/json",
            f"Content-Length: {len(body)}",
        ]
        request_id = get_contextvars().get("request_id")
        if isinstance(request_id, str):
            lines.append(f"X-Request-ID: {request_id}")
        traceparent = child_traceparent()
        if traceparent is not None:
            lines.append(f"traceparent: {traceparent}")
        return "\r\n".join([*lines, "", ""]).encode("latin-1") + body

    async def _asked(self, question: bytes) -> Answer:
        kept = self._kept()
        if kept is not None:
            try:
                return await self._over(kept, question)
            except ConnectionError:
                if kept.has_begun:
                    raise
                # It was closed while nobody used it.
        return await self._over(await self._connected(), question)

    async def _over(self, connection: Connection, question: bytes) -> Answer:
        try:
            answer = await connection.ask(question)
        except BaseException:
            connection.drop()
            raise
        if connection.is_usable:
            connection.left_at = self.monotonic()
            self._idle.append(connection)
        else:
            connection.drop()
        return answer

    def _kept(self) -> Connection | None:
        """Return the connection used last: those that are too many grow old and are closed."""
        oldest = self.monotonic() - IDLE_SECONDS
        while self._idle and self._idle[0].left_at < oldest:
            self._idle.popleft().drop()
        while self._idle:
            connection = self._idle.pop()
            if connection.is_usable:
                return connection
        return None

    async def _connected(self) -> Connection:
        port = self.address.port or (80 if self._context is None else 443)
        async with asyncio.timeout(min(CONNECT_SECONDS, self.timeout_seconds)):
            _, connection = await asyncio.get_running_loop().create_connection(
                Connection, self.address.hostname or "", port, ssl=self._context
            )
        return connection

"""A small HTTP/1.1 client for load: one kept-alive connection that costs little beside what it measures.

It knows only what the services answer: a status and a body of stated length.
"""

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self
from urllib.parse import urlsplit

import orjson

from regulars.errors import RegularsError

ANSWER_SECONDS = 30.0
HEAD_BYTES_MAX = 65_536
_LENGTH = b"\r\ncontent-length:"


class NoAnswer(RegularsError):
    """The server closed the connection, took too long, or spoke something else than was expected."""


class UnexpectedAnswer(RegularsError):
    """A request of a benchmark was answered otherwise than by success: what it measured would mean nothing."""


@dataclass(frozen=True, slots=True)
class Request:
    """What is sent; built before the clock runs."""

    method: str
    path: str
    body: bytes = b""
    headers: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    body: bytes

    def json(self) -> Any:  # noqa: ANN401 (any JSON document)
        return orjson.loads(self.body)

    def checked(self) -> Self:
        """Return the answer itself; raise UnexpectedAnswer unless it is a success."""
        if not 200 <= self.status < 300:
            raise UnexpectedAnswer(f"the answer was {self.status}: {self.body[:500].decode(errors='replace')}")
        return self


class Connection:
    """One connection, one request at a time."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, head: bytes) -> None:
        self._reader = reader
        self._writer = writer
        self._head = head

    @classmethod
    async def open(cls, address: str, headers: Mapping[str, str]) -> Self:
        """Connect to `http://HOST:PORT`; `headers` go with every request."""
        place = urlsplit(address)
        reader, writer = await asyncio.open_connection(place.hostname, place.port, limit=HEAD_BYTES_MAX)
        lines = {"Host": place.netloc, "Content-Type": "application/json", **headers}
        return cls(reader, writer, "".join(f"{name}: {value}\r\n" for name, value in lines.items()).encode())

    async def ask(self, request: Request) -> Answer:
        """Send one request and read its answer. Raises NoAnswer."""
        try:
            async with asyncio.timeout(ANSWER_SECONDS):
                self._writer.write(self._encoded(request))
                await self._writer.drain()
                return await self._read()
        except (OSError, asyncio.IncompleteReadError, TimeoutError) as error:
            raise NoAnswer(f"{request.method} {request.path}: {type(error).__name__} {error}") from error

    def _encoded(self, request: Request) -> bytes:
        more = "".join(f"{name}: {value}\r\n" for name, value in request.headers)
        start = f"{request.method} {request.path} HTTP/1.1\r\n{more}Content-Length: {len(request.body)}\r\n".encode()
        return start + self._head + b"\r\n" + request.body

    async def _read(self) -> Answer:
        head = await self._reader.readuntil(b"\r\n\r\n")
        place = head.lower().find(_LENGTH)
        if place < 0:
            raise NoAnswer("an answer without a stated length")
        length = head[place + len(_LENGTH) :].split(b"\r\n", 1)[0]
        return Answer(int(head[9:12]), await self._reader.readexactly(int(length)))

    async def close(self) -> None:
        self._writer.close()
        await asyncio.gather(self._writer.wait_closed(), return_exceptions=True)

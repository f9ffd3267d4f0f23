"""Questions to another service that somebody waits for: kept-alive connections, one time-out, and a breaker.

A question goes over aiohttp, which takes a sixth of httpx's processor time. It follows no redirects, keeps no cookies
and heeds no proxy settings, which must not redirect a service's key.
"""

import asyncio
import re
from dataclasses import dataclass, field
from typing import Self
from urllib.parse import urlsplit

import orjson
from aiohttp import (
    ClientConnectorError,
    ClientError,
    ClientOSError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    ServerDisconnectedError,
    TCPConnector,
)
from pydantic import SecretStr

from shared.breaker import Breaker
from shared.errors import TransientError
from shared.http.carried import carried_headers, told

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


@dataclass(slots=True)
class Peer:
    """One other service. Keep it for the process's life and close it at its end.

    Only for questions, which change nothing: one whose connection was closed before an answer began is asked once
    more. Who stops waiting takes their connection with them.
    """

    base_url: str
    key: SecretStr
    timeout_seconds: float
    """Of a question in all: waiting for a free connection, connecting, and the answer."""
    breaker: Breaker = field(default_factory=Breaker)
    connections_max: int = CONNECTIONS_MAX
    idle_seconds: float = IDLE_SECONDS
    _session: ClientSession | None = None

    @classmethod
    def at(cls, base_url: str, key: SecretStr, timeout_seconds: float = 5.0) -> Self:
        """Return the service at an address. Raises ValueError for one that is none of HTTP's."""
        address = urlsplit(base_url)
        if address.scheme not in {"http", "https"} or not address.hostname:
            raise ValueError(f"not the address of a service: {base_url!r}")
        return cls(base_url.rstrip("/"), key, timeout_seconds)

    async def ask(self, method: str, path: str, document: object = None) -> Answer:
        """Ask, with a JSON document or without; return the answer whatever its status.

        Raises PeerAway when there is none in time, or the peer is left alone after several of these.
        """
        if not _PATH.fullmatch(path):
            raise ValueError(f"not a path of HTTP: {path!r}")
        if not self.breaker.lets_pass():
            raise PeerAway(f"{self.base_url} has not answered lately and is left alone for a moment")
        try:
            async with asyncio.timeout(self.timeout_seconds):
                answer = await self._asked(method, f"{self.base_url}{path}", document)
        except (OSError, ClientError) as error:
            self.breaker.failed()
            raise PeerAway(f"{self.base_url}{path}: {type(error).__name__}: {error}") from error
        if answer.status in _AWAY:
            self.breaker.failed()
        else:
            self.breaker.succeeded()
        return answer

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    async def _asked(self, method: str, url: str, document: object) -> Answer:
        try:
            return await self._once(method, url, document)
        except (ServerDisconnectedError, ClientOSError) as error:
            # A kept connection may have been closed while nobody used it. For GET aiohttp asks again by itself.
            if method != "POST" or isinstance(error, ClientConnectorError):
                raise
            return await self._once(method, url, document)

    async def _once(self, method: str, url: str, document: object) -> Answer:
        body = None if document is None else orjson.dumps(document)
        session, address = self._opened(), urlsplit(self.base_url)
        with told(method, address.hostname, address.port) as span:
            async with session.request(
                method, url, data=body, headers=carried_headers(), allow_redirects=False
            ) as response:
                span.tell("http.response.status_code", response.status)
                return Answer(response.status, await _read(response))

    def _opened(self) -> ClientSession:
        """Return the session, made at the first question: it belongs to the loop that asks."""
        if self._session is None:
            self._session = ClientSession(
                connector=TCPConnector(limit=self.connections_max, keepalive_timeout=self.idle_seconds),
                timeout=ClientTimeout(sock_connect=CONNECT_SECONDS),
                headers={
                    "Authorization": f"Bearer {self.key.get_secret_value()}",
                    "Accept": "application/json",
                    "Content-Type": "application/json",
                },
                cookie_jar=DummyCookieJar(),
                skip_auto_headers=("User-Agent", "Accept-Encoding"),
            )
        return self._session


async def _read(response: ClientResponse) -> bytes:
    """Return the whole body. Raises ClientError for one that is too large, and closes its connection."""
    body = bytearray()
    async for part in response.content.iter_any():
        body += part
        if len(body) > ANSWER_BYTES_MAX:
            response.close()
            raise ClientError(f"an answer of more than {ANSWER_BYTES_MAX} bytes")
    return bytes(body)

"""Ends connections whose request lines and headers do not come, or do not end: each holds memory and a descriptor."""

import asyncio

import structlog
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 20.0
"""From a connection's, or a request's, first moment to the end of its headers."""
HEAD_BYTES_MAX = 65_536

log = structlog.get_logger()
_TOO_SLOW = b"HTTP/1.1 408 Request Timeout\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
_TOO_LARGE = b"HTTP/1.1 431 Request Header Fields Too Large\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"


class BoundedHeads(HttpToolsProtocol):
    """uvicorn's protocol with limits on a request's head; it has limits on neither time nor size of its own."""

    head_seconds = HEAD_SECONDS
    _ends: asyncio.TimerHandle | None = None
    _is_open = False
    """Whether a request began whose headers have not ended."""
    _head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn has it
        super().connection_made(transport)
        self._begin()

    def connection_lost(self, exc: Exception | None) -> None:
        self._came()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # Nearly every head comes in one piece, and needs no timer.
        is_awaited = self._is_open or (self._is_idle() and self.timeout_keep_alive_task is None)
        if not is_awaited:
            return
        if self._ends is None:
            self._begin()
        self._head_bytes += len(data)
        if self._head_bytes > HEAD_BYTES_MAX:
            self._refuse(_TOO_LARGE, "too_large")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_open = True

    def on_headers_complete(self) -> None:
        self._is_open = False
        self._came()
        super().on_headers_complete()

    def _is_idle(self) -> bool:
        return self.cycle is None or self.cycle.response_complete

    def _begin(self) -> None:
        self._head_bytes = 0
        self._ends = self.loop.call_later(self.head_seconds, self._refuse, _TOO_SLOW, "too_slow")

    def _came(self) -> None:
        if self._ends is not None:
            self._ends.cancel()
            self._ends = None

    def _refuse(self, answer: bytes, reason: str) -> None:
        self._came()
        if self.transport.is_closing():
            return
        log.info("head_refused", reason=reason)
        if self._is_idle():
            self.transport.write(answer)
        self.transport.close()

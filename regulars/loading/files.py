"""Gives a file to ingest's imports: uploads it, follows the work, and fetches the report of refused lines."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from regulars.answers import NotAnAnswer, document_of, refusal_of
from regulars.loading import sender
from regulars.loading.sender import SendFailed, patiently, raise_unless_now

PIECE_BYTES = 1_000_000
LOOK_SECONDS = 0.5
STILL_SECONDS = 120.0
ENDED = frozenset({"done", "failed", "cancelled", "expired"})
STALLED = (
    "nothing moved for two minutes; is ingest's worker running (`regulars status`)? The file is there, and its import"
    " goes on when the worker is back; the same command follows it again"
)

Import = dict[str, Any]


@dataclass(slots=True)
class FileLoader:
    """Loads one file at a time. `on_rows` hears how many rows have been read, and of how many, while it goes on."""

    client: httpx.AsyncClient
    on_rows: Callable[[int, int | None], object] = lambda _read, _total: None

    async def upload(self, path: Path, query: Mapping[str, str]) -> Import:
        """Give the file to ingest; the very same file again is answered with its first import. Raises SendFailed."""
        params = {"name": path.name, **query}

        async def post() -> httpx.Response:
            body = _pieces(path)
            headers = {"Content-Type": "application/octet-stream"}
            return await self.client.post("/v1/imports", params=params, content=body, headers=headers)

        return await self._asked(post)

    async def follow(self, import_id: str) -> Import:
        """Wait until an import has ended, for as long as it moves. Raises SendFailed."""
        loop = asyncio.get_running_loop()
        last: object = None
        moved_at = loop.time()
        while True:
            found = await self._asked(lambda: self.client.get(f"/v1/imports/{import_id}"))
            progress = found["progress"]
            self.on_rows(progress["rows_read"], progress["rows_total"])
            if found["state"] in ENDED:
                return found
            if (now := (found["state"], progress["rows_read"], progress["rows_total"])) != last:
                last, moved_at = now, loop.time()
            elif loop.time() - moved_at > STILL_SECONDS:
                raise SendFailed(STALLED)
            await asyncio.sleep(LOOK_SECONDS)

    async def cancel(self, import_id: str) -> None:
        await self._asked(lambda: self.client.delete(f"/v1/imports/{import_id}"))

    async def save_report(self, import_id: str, target: Path) -> int:
        """Write the report of refused lines; return how many it has, without its head. Raises SendFailed.

        Without any refused line there is no file.
        """
        lines = 0
        try:
            with await asyncio.to_thread(target.open, "wb") as file:
                async for piece in self._report(import_id):
                    lines += piece.count(b"\r\n")
                    await asyncio.to_thread(file.write, piece)
        finally:
            if lines <= 1:
                await asyncio.to_thread(target.unlink)
        return max(lines - 1, 0)

    async def _report(self, import_id: str) -> AsyncIterator[bytes]:
        try:
            async with self.client.stream("GET", f"/v1/imports/{import_id}/report") as answer:
                if answer.is_error:
                    await answer.aread()
                    raise SendFailed(refusal_of(answer))
                async for piece in answer.aiter_bytes():
                    yield piece
        except httpx.TransportError as error:
            raise SendFailed(f"the report broke off ({type(error).__name__}); the same command fetches it") from error

    async def _asked(self, ask: Callable[[], Any]) -> Import:
        async def once() -> Import:
            try:
                answer: httpx.Response = await ask()
            except httpx.TransportError as error:
                raise sender.NotNow(f"{type(error).__name__}: {error}") from error
            raise_unless_now(answer)
            if answer.is_error:
                raise SendFailed(refusal_of(answer))
            return _understood(answer)

        return await patiently(once, "/v1/imports")


async def _pieces(path: Path) -> AsyncIterator[bytes]:
    with await asyncio.to_thread(path.open, "rb") as file:
        while piece := await asyncio.to_thread(file.read, PIECE_BYTES):
            yield piece


def _understood(answer: httpx.Response) -> Import:
    try:
        return document_of(answer)
    except NotAnAnswer as other:
        raise SendFailed(str(other)) from None

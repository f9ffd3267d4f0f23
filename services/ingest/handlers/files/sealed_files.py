"""A file in sealed pieces: written as it comes in, read as any file is; never whole in memory or clear on a disk."""

import asyncio
import io
from collections import OrderedDict
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, BinaryIO
from uuid import UUID

from services.ingest.domain.sealing import pack, seal, unpack, unseal
from services.ingest.domain.texts import Utf8Check
from services.ingest.store import imports as store
from shared.db import Database

PIECE_BYTES = 1_000_000
PIECES_KEPT = 8
PIECE_WAIT_SECONDS = 60.0
BUFFER_BYTES = 64_000


class FileGone(Exception):
    """The file's pieces are no longer there: the import was ended meanwhile."""


@dataclass(frozen=True, slots=True)
class Stored:
    """A file that came in whole. `head` is its first piece."""

    size_bytes: int
    digest: bytes
    head: bytes
    is_utf8: bool


async def store_pieces(
    database: Database, import_id: UUID, key: bytes, digest_key: bytes, body: AsyncIterator[bytes]
) -> Stored:
    """Seal and store a body while it streams in, each piece in a commit of its own."""
    digest = blake2b(key=digest_key, digest_size=32)
    check = Utf8Check()
    waiting = bytearray()
    head = b""
    size = number = 0

    async def put(piece: bytes) -> None:
        nonlocal number
        sealed = await asyncio.to_thread(_sealed, key, import_id, number, piece)
        async with database.transaction() as tx:
            await store.add_chunk(tx, import_id, number, sealed)
        number += 1

    async for part in body:
        size += len(part)
        digest.update(part)
        check.feed(part)
        waiting += part
        while len(waiting) >= PIECE_BYTES:
            piece = bytes(waiting[:PIECE_BYTES])
            del waiting[:PIECE_BYTES]
            head = head or piece
            await put(piece)
    check.feed(b"", final=True)
    if waiting:
        head = head or bytes(waiting)
        await put(bytes(waiting))
    return Stored(size, digest.digest(), head, check.holds)


def _sealed(key: bytes, import_id: UUID, number: int, piece: bytes) -> bytes:
    return seal(key, pack(piece), piece_place(import_id, number))


def piece_place(import_id: UUID, number: int) -> str:
    return f"import_chunks/{import_id}/{number}"


@dataclass(frozen=True, slots=True)
class SealedFiles:
    """Opens stored files for reading in a thread, while the loop that made it fetches their pieces."""

    database: Database
    loop: asyncio.AbstractEventLoop

    def opener(self, import_id: UUID, size_bytes: int, key: bytes) -> Callable[[], BinaryIO]:
        """Return what opens the file anew, as often as it is called."""

        def piece(number: int) -> bytes:
            fetching = store.chunk(self.database, import_id, number)
            sealed = asyncio.run_coroutine_threadsafe(fetching, self.loop).result(PIECE_WAIT_SECONDS)
            if sealed is None:
                raise FileGone(f"piece {number} of import {import_id} is gone")
            return unpack(unseal(key, sealed, piece_place(import_id, number)))

        return lambda: io.BufferedReader(_Pieces(piece, size_bytes), BUFFER_BYTES)


class _Pieces(io.RawIOBase):
    """A seekable file over its pieces; the last few are kept."""

    def __init__(self, piece: Callable[[int], bytes], size_bytes: int) -> None:
        self._fetch = piece
        self._size = size_bytes
        self._at = 0
        self._kept: OrderedDict[int, bytes] = OrderedDict()

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._at

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        base = {io.SEEK_SET: 0, io.SEEK_CUR: self._at, io.SEEK_END: self._size}[whence]
        self._at = max(base + offset, 0)
        return self._at

    def readinto(self, buffer: Any) -> int:  # noqa: ANN401 (any writable buffer)
        target = memoryview(buffer)
        if self._at >= self._size:
            return 0
        number, offset = divmod(self._at, PIECE_BYTES)
        part = self._piece(number)[offset : offset + len(target)]
        target[: len(part)] = part
        self._at += len(part)
        return len(part)

    def _piece(self, number: int) -> bytes:
        if number not in self._kept:
            self._kept[number] = self._fetch(number)
            while len(self._kept) > PIECES_KEPT:
                self._kept.popitem(last=False)
        return self._kept[number]

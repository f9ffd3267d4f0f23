"""`GET /v1/log/…`: a producer's numbered log, for consumers that found a gap.

It has its own small pool and a limit of its own: an emptied broker makes every consumer come here at once, and
that must not starve the rest of the service. A page is read and sent lot by lot, and a reader keeps its place until
all is sent: what readers hold in memory is bounded by their number, however slow they are.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Request, Response
from fastapi.responses import StreamingResponse
from pydantic import BaseModel, Field
from starlette.types import Send

from shared.db import Database, PoolLimits
from shared.errors import Conflict, InvalidInput, NotFound, TooMany
from shared.http.auth import depends, requires
from shared.log.reader import LogForkedError, LogReader, Numbered
from shared.worker.source import PAGE_MEDIA_TYPE, page_lines

READERS_MAX = 4
PAGE_EVENTS_MAX = 1000
PAGE_SECONDS = 30.0
"""Whoever takes longer over a page is cut off, and asks again: a place at the log is not to be kept."""


class HeadOut(BaseModel):
    topic: str
    partition: int
    numbered: int = Field(description="the last number given")
    published: int = Field(description="the last number that the broker acknowledged")


class HeadsOut(BaseModel):
    origin: str = Field(description="the service and the incarnation of its log, such as ingest#1")
    heads: list[HeadOut]


class UnknownTopic(NotFound):
    code = "topic_not_found"


class LogForked(Conflict):
    code = "log_forked"


class ServedLog:
    """The log as it is served: which topics, over which pool, and how many readers at once."""

    def __init__(self, database: Database, service: str, topics: Sequence[str], partitions: int) -> None:
        self.reader = LogReader(database, service)
        self.topics = tuple(topics)
        self.partitions = partitions
        self._places_left = READERS_MAX

    @property
    def places_left(self) -> int:
        """Return how many more may read now."""
        return self._places_left

    @asynccontextmanager
    async def reading(self) -> AsyncIterator[LogReader]:
        """Take one of the few places; raise TooMany when all are taken."""
        if not self._places_left:
            raise TooMany(f"{READERS_MAX} readers are at the log already", retry_after_seconds=1)
        self._places_left -= 1
        try:
            yield self.reader
        finally:
            self._places_left += 1


@asynccontextmanager
async def served_log(dsn: str, service: str, topics: Sequence[str], partitions: int) -> AsyncIterator[ServedLog]:
    """Open the log's own pool; a service's lifespan puts the result into `app.state.log`.

    It has a connection more than there are readers: how far the log goes must be told also while all of them read.
    """
    limits = PoolLimits(size_max=READERS_MAX + 1, size_min=0)
    database = await Database.connect(dsn, application=f"{service}-log", limits=limits)
    try:
        yield ServedLog(database, service, topics, partitions)
    finally:
        await database.close()


async def _reading(request: Request) -> AsyncIterator[LogReader]:
    log: ServedLog = request.app.state.log
    async with log.reading() as reader:
        yield reader


class _Page(StreamingResponse):
    media_type = PAGE_MEDIA_TYPE

    async def stream_response(self, send: Send) -> None:
        async with asyncio.timeout(PAGE_SECONDS):
            await super().stream_response(send)


router = APIRouter(prefix="/v1/log", tags=["log"], dependencies=[depends(requires("log:read"))])


@router.get("/heads")
async def heads(request: Request) -> HeadsOut:
    """Say how far every partition goes. Nothing is listed for a partition without an event."""
    log: ServedLog = request.app.state.log
    found = await log.reader.heads(log.topics, log.partitions)
    origin = await log.reader.read_origin()
    return HeadsOut(
        origin=origin,
        heads=[
            HeadOut(topic=h.topic, partition=h.partition, numbered=h.numbered, published=h.published) for h in found
        ],
    )


@router.get(
    "/{topic}/{partition}",
    response_class=_Page,
    responses={200: {"content": {PAGE_MEDIA_TYPE: {}}}},
)
async def events_after(  # noqa: PLR0913, PLR0917 (one argument a parameter of the route)
    request: Request,
    reader: Annotated[LogReader, Depends(_reading, scope="request")],
    topic: str,
    partition: int,
    after_seq: Annotated[int, Query(ge=0, description="the last number that the caller has")] = 0,
    after_event_id: Annotated[UUID | None, Query(description="the event at that number")] = None,
    limit: Annotated[int, Query(ge=1, le=PAGE_EVENTS_MAX)] = 500,
) -> Response:
    """Return what follows a place: two lines an event, its place and then the envelope as it was stored.

    409 `log_forked` when the caller's event is not at its place here: the histories differ.
    """
    log: ServedLog = request.app.state.log
    if topic not in log.topics:
        raise UnknownTopic(f"this service does not produce {topic}; it produces {', '.join(log.topics)}")
    if not 0 <= partition < log.partitions:
        raise InvalidInput(f"there are partitions 0 to {log.partitions - 1}", field="partition")
    if after_seq and after_event_id is not None:
        try:
            await reader.check_not_forked(topic, partition, after_seq, after_event_id)
        except LogForkedError as forked:
            raise LogForked(str(forked)) from forked
    lots = reader.lots_after(topic, partition, after_seq, limit)
    # Read before the head goes out: a database that is away is said by a status.
    first: list[Numbered] = await anext(lots, [])
    return _Page(_lines(await reader.read_origin(), first, lots))


async def _lines(origin: str, first: Sequence[Numbered], lots: AsyncIterator[list[Numbered]]) -> AsyncIterator[bytes]:
    yield b"".join(page_lines(origin, first))
    async for lot in lots:
        yield b"".join(page_lines(origin, lot))

"""Reading a numbered log: how far it goes, and what comes after a place in it.

Used by the publisher, and over HTTP by every consumer that finds a gap.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from uuid import UUID

from shared.db import Database
from shared.kafka.port import OutRecord

PAGE_BYTES_MAX = 8_000_000
LOT_BYTES_MAX = 1_000_000
LOT_EVENTS_MAX = 250


class LogForkedError(Exception):
    """The caller has seen another event at this place: its copy and this log are of different histories."""


@dataclass(frozen=True, slots=True)
class Head:
    """How far one partition of a topic goes."""

    topic: str
    partition: int
    numbered: int
    published: int


@dataclass(frozen=True, slots=True)
class Numbered:
    """One event at its place. `body` is the envelope as it was stored, empty once it has expired."""

    topic: str
    partition: int
    seq: int
    event_id: UUID
    prev_event_id: UUID | None
    key: str
    type: str
    version: int
    body: bytes
    traceparent: str | None

    @property
    def type_name(self) -> str:
        """Its type and version; `Expired` where only the place is left."""
        return f"{self.type}.v{self.version}" if self.body else "Expired"

    def record(self, origin: str) -> OutRecord:
        """Return the broker's record of this event."""
        headers = [
            ("origin", origin.encode()),
            ("seq", str(self.seq).encode()),
            ("event_id", str(self.event_id).encode()),
            ("prev", str(self.prev_event_id or "").encode()),
            ("type", self.type_name.encode()),
        ]
        if self.traceparent:
            headers.append(("traceparent", self.traceparent.encode()))
        return OutRecord(self.topic, self.partition, self.key.encode(), self.body, tuple(headers))


@dataclass(slots=True)
class LogReader:
    """Reads the log in one service's database."""

    database: Database
    service: str
    origin: str = ""

    async def read_origin(self) -> str:
        """Return the log's name, such as `ingest#1`: the service, and which incarnation of its log this is."""
        if not self.origin:
            incarnation = await self.database.fetchval(
                "SELECT incarnation FROM log_origin WHERE service = $1", self.service
            )
            self.origin = f"{self.service}#{incarnation or 1}"
        return self.origin

    async def heads(self, topics: Sequence[str], partitions: int) -> list[Head]:
        """Return the head of every partition that has an event."""
        await self.read_origin()
        rows = await self.database.fetch(
            "SELECT t.topic, p.partition, n.seq, coalesce(w.published_seq, 0) AS published"
            " FROM unnest($1::text[]) AS t (topic)"
            " CROSS JOIN generate_series(0, $2 - 1) AS p (partition)"
            " CROSS JOIN LATERAL (SELECT seq FROM numbered WHERE topic = t.topic"
            " AND partition = p.partition::smallint ORDER BY seq DESC LIMIT 1) n"
            " LEFT JOIN watermarks w ON w.topic = t.topic AND w.partition = p.partition::smallint",
            list(topics),
            partitions,
        )
        return [Head(row["topic"], row["partition"], row["seq"], row["published"]) for row in rows]

    async def after(
        self, topic: str, partition: int, seq: int, limit: int, bytes_max: int | None = None
    ) -> list[Numbered]:
        """Return events that follow `seq`, in order: the next one at least, `limit` at most, 8 MB or so.

        `bytes_max`: another measure than a page's.
        """
        await self.read_origin()
        rows = await self.database.fetch(
            "SELECT seq, event_id, prev_event_id, key, type, version, body, traceparent FROM ("
            " SELECT n.*, e.type, e.version, e.body, e.traceparent,"
            " sum(octet_length(e.body)) OVER (ORDER BY n.seq) - octet_length(e.body) AS bytes_before"
            " FROM (SELECT seq, event_id, prev_event_id, key FROM numbered"
            " WHERE topic = $1 AND partition = $2 AND seq > $3 ORDER BY seq LIMIT $4) n"
            " JOIN events e USING (event_id)) page WHERE bytes_before < $5 ORDER BY seq",
            topic,
            partition,
            seq,
            limit,
            PAGE_BYTES_MAX if bytes_max is None else bytes_max,
        )
        return [Numbered(topic, partition, **dict(row)) for row in rows]

    async def lots_after(self, topic: str, partition: int, seq: int, limit: int) -> AsyncIterator[list[Numbered]]:
        """Give what `after` gives, in lots that are small enough to hold while somebody slow takes them."""
        events_left, bytes_left = limit, PAGE_BYTES_MAX
        while events_left > 0 and bytes_left > 0:
            lot = await self.after(
                topic, partition, seq, min(events_left, LOT_EVENTS_MAX), min(bytes_left, LOT_BYTES_MAX)
            )
            if not lot:
                return
            yield lot
            seq = lot[-1].seq
            events_left -= len(lot)
            bytes_left -= sum(len(each.body) for each in lot)

    async def check_not_forked(self, topic: str, partition: int, seq: int, event_id: UUID) -> None:
        """Raise LogForkedError unless this log has `event_id` at `seq`."""
        here = await self.database.fetchval(
            "SELECT event_id FROM numbered WHERE topic = $1 AND partition = $2 AND seq = $3",
            topic,
            partition,
            seq,
        )
        if here != event_id:
            raise LogForkedError(f"{topic}/{partition}: {event_id} is not at {seq} here but {here}")

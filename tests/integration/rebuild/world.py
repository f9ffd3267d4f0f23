"""One consuming service that is live, and the producers' log that it lives from: real databases, real handlers."""

import asyncio
import base64
import importlib
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from shared import leases
from shared.clock import FixedClock
from shared.db import Database
from shared.events import TOPICS, topics_consumed_by
from shared.kafka.aio import KafkaBroker
from shared.leases import Lease
from shared.log import LogReader, Numberer, Outgoing, Publisher, append
from shared.rebuild.beside import Schemas
from shared.rebuild.domain import Rebuilt, TableShape
from shared.rebuild.run import LIVE_LIMITS, NEXT_LIMITS, PATIENT_LIMITS, Asked, Rebuild
from shared.service import Service, opened
from shared.settings import ServiceSettings
from shared.worker.applier import Applier
from shared.worker.board import HeadsBoard
from shared.worker.domain import Head, Incoming, Position
from shared.worker.progress import Progress
from shared.worker.runner import PartitionRunner
from shared.worker.source import ForkedError, Heads, ProducerAwayError, page_lines, read_page
from shared.worker.subscription import Subscription
from tests.fixtures.core import NoBroker
from tests.integration.profile.histories import NOON, PARTITIONS, Event

KEY = base64.b64encode(bytes(range(32))).decode()
NAMES = ("profile", "recommend", "churn", "campaign")
OWNERS = ("ingest", *NAMES)
VERSION = "1"


def service_of(name: str) -> Service[Any]:
    found: Service[Any] = importlib.import_module(f"services.{name}.app").SERVICE
    return found


def settings_of(name: str, dsn: str, folder: Path) -> ServiceSettings:
    found: ServiceSettings = service_of(name).settings.model_validate(
        {
            "database_url": dsn,
            "bootstrap_servers": "127.0.0.1:1",
            "port": 1,
            "keys_file": folder / "keys.json",
            "service_key": "unused",
            "peers": dict.fromkeys(OWNERS, "http://127.0.0.1:1"),
            "partitions": PARTITIONS,
            "data_dir": folder,
            "currency": "USD",
            "time_zone": "America/New_York",
            "identity_keys": {"loyalty_card": KEY, "user_id": KEY},
        }
    )
    return found


@dataclass
class TableSource:
    """A producer's log, read from a database without HTTP. One database holds the logs of all producers."""

    database: Database
    owner: str
    failures: int = 0

    async def heads(self) -> tuple[str, Heads]:
        reader = LogReader(self.database, self.owner)
        heads = await reader.heads([topic.name for topic in TOPICS if topic.owner == self.owner], PARTITIONS)
        return await reader.read_origin(), {(h.topic, h.partition): Head(h.numbered, h.numbered) for h in heads}

    async def after(self, position: Position, events_max: int = 500) -> list[Incoming]:
        if self.failures:
            self.failures -= 1
            raise ProducerAwayError("told to be away")
        reader = LogReader(self.database, self.owner)
        if position.last_event_id is not None:
            at = await self.database.fetchval(
                "SELECT event_id FROM numbered WHERE topic = $1 AND partition = $2 AND seq = $3",
                position.topic,
                position.partition,
                position.last_seq,
            )
            if at != position.last_event_id:
                raise ForkedError("another event is there")
        rows = await reader.after(position.topic, position.partition, position.last_seq, events_max)
        page = b"".join(page_lines(await reader.read_origin(), rows))
        return read_page(position.topic, position.partition, page)


def sources_for(name: str, producer: Database) -> dict[str, TableSource]:
    owners = sorted({topic.owner for topic in topics_consumed_by(name)})
    return {owner: TableSource(producer, owner) for owner in owners}


async def say(producer: Database, events: Sequence[Event]) -> None:
    """Say events, as whoever owns their topics, and number them."""
    async with producer.transaction() as tx:
        await append(tx, [Outgoing.of(event) for event in events])
    broker = KafkaBroker("127.0.0.1:1", "tests")
    topics = [topic.name for topic in TOPICS]
    publisher = Publisher(producer, broker, "ingest", topics, PARTITIONS)
    numbering = Numberer(producer, publisher, "ingest", topics, PARTITIONS, "tests")
    await producer.execute(
        "INSERT INTO leases (name, holder, generation, expires_at) VALUES ('numberer', '', 0, '-infinity')"
        " ON CONFLICT (name) DO UPDATE SET generation = 0"
    )
    heads = await numbering.read_heads()
    while (await numbering.number_once(Lease("numberer", "tests", 0), heads))[0]:
        heads = await numbering.read_heads()


@dataclass
class Living:
    """A service whose handlers run on its live tables."""

    name: str
    dsn: str
    database: Database
    producer: Database
    subscription: Subscription
    settings: ServiceSettings
    said: list[str] = field(default_factory=list)
    clock: FixedClock = field(default_factory=lambda: FixedClock(NOON))
    runners: dict[int, PartitionRunner] = field(default_factory=dict)

    @property
    def shapes(self) -> Sequence[TableShape]:
        assert self.service.rebuild is not None
        return self.service.rebuild.tables()

    @property
    def service(self) -> Service[Any]:
        return service_of(self.name)

    async def catch_up(self, subscription: Subscription | None = None) -> None:
        """Apply all that was said, as the workers do that find it in the producers' logs."""
        await self.follow(subscription or self.subscription, until_level=True)

    async def follow(self, subscription: Subscription, *, until_level: bool = False) -> None:
        """Apply what is said, for ever or until nothing is left."""
        board = HeadsBoard(sources_for(self.name, self.producer))
        runners = [await self._runner(board, subscription, number) for number in range(PARTITIONS)]
        topics = frozenset(subscription.topics)
        try:
            while True:
                await board.poll()
                await asyncio.gather(*(runner.compare_with_logs(at_end=topics) for runner in runners))
                await asyncio.gather(*(runner.filled() for runner in runners))
                if until_level and await self.behind() == 0:
                    return
                await asyncio.sleep(0.01)
        finally:
            # As a worker does that gives its partitions back: who fills still holds the lease's row.
            await asyncio.gather(*(runner._fills.stop() for runner in runners))

    async def _runner(self, board: HeadsBoard, subscription: Subscription, number: int) -> PartitionRunner:
        lease = await leases.claim(self.database, f"partition:{number}", "live")
        assert lease is not None
        applier = Applier(self.database, subscription, self.name, VERSION)
        no_broker: Any = NoBroker()
        runner = PartitionRunner(applier, no_broker, board, Progress(self.name), lease, number, PARTITIONS)
        await runner._load()
        return runner

    async def behind(self) -> int:
        """Return how many events the logs have, under the names that they have now, that are not applied."""
        topics = [topic.name for topic in topics_consumed_by(self.name)]
        numbered = await self.producer.fetchval("SELECT count(*) FROM numbered WHERE topic = ANY($1)", topics)
        sources = sources_for(self.name, self.producer)
        origins = [(await source.heads())[0] for source in sources.values()]
        applied = await self.database.fetchval(
            "SELECT coalesce(sum(last_seq), 0)::bigint FROM positions WHERE origin = ANY($1)", origins
        )
        return int(numbered - applied)

    @asynccontextmanager
    async def rebuilding(
        self, subscription: Callable[[Database], Subscription] | None = None, say: Callable[[str], None] | None = None
    ) -> AsyncIterator[Rebuild]:
        """A rebuild of the service, ready to run; with other handlers where they are given."""
        async with AsyncExitStack() as stack:
            schemas = Schemas.of(self.name, "public")
            live = await stack.enter_async_context(opened(self.settings, "rebuild", LIVE_LIMITS))
            beside = await stack.enter_async_context(opened(self.settings, "rebuild", NEXT_LIMITS, schemas.next))
            work = await stack.enter_async_context(self.service.work(self.settings, beside))
            rebuildable = self.service.rebuild
            assert rebuildable is not None
            assert work.subscription is not None
            yield Rebuild(
                service=self.name,
                dsn=self.dsn,
                migrations=self.service.migrations,
                rebuildable=rebuildable,
                subscription=subscription(beside) if subscription else work.subscription,
                live=live,
                next=beside,
                patient=await stack.enter_async_context(opened(self.settings, "rebuild", PATIENT_LIMITS)),
                sources=sources_for(self.name, self.producer),
                schemas=schemas,
                clock=self.clock,
                holder=f"rebuild {id(stack)}",
                code_version=VERSION,
                say=say or self.said.append,
            )

    async def rebuild(
        self,
        *,
        check: bool = False,
        accept: bool = False,
        subscription: Callable[[Database], Subscription] | None = None,
        say: Callable[[str], None] | None = None,
    ) -> Rebuilt:
        async with self.rebuilding(subscription, say) as rebuild:
            return await rebuild.run(Asked(check, accept))

    async def rows(self, table_class: str, without: Iterable[str] = ()) -> Mapping[str, str]:
        """Return the digest of each table of a class."""
        found = {}
        for shape in self.shapes:
            if shape.table_class == table_class and shape.name not in without:
                found[shape.name] = await self.database.fetchval(
                    "SELECT md5(coalesce(string_agg(t::text, chr(10) ORDER BY t::text), ''))"
                    f" || ' of ' || count(*) FROM {shape.name} t"
                )
        return found

    async def schemas(self) -> set[str]:
        rows = await self.database.fetch("SELECT nspname FROM pg_namespace WHERE nspname !~ '^(pg_|information_)'")
        return {row["nspname"] for row in rows}


@asynccontextmanager
async def living(name: str, dsn: str, producer_dsn: str, folder: Path) -> AsyncIterator[Living]:
    """A service on a migrated database."""
    settings = settings_of(name, dsn, folder)
    async with AsyncExitStack() as stack:
        database = await stack.enter_async_context(opened(settings, "live"))
        producer = await Database.connect(producer_dsn, application="producer")
        stack.push_async_callback(producer.close)
        work = await stack.enter_async_context(service_of(name).work(settings, database))
        assert work.subscription is not None
        yield Living(name, dsn, database, producer, work.subscription, settings)

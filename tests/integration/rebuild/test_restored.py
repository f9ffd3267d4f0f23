"""One service alone is put back to an older back-up: it catches up, nobody erased is back, nothing goes out twice."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from uuid import UUID

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from shared.db import Database
from shared.errors import Conflict
from shared.events import TOPICS
from shared.events.behaviour import PageViewedV1
from shared.log.forgetting import forget_events
from shared.log.retention import Retention
from shared.service import opened, run_restored
from shared.worker.tidying import tidy
from tests.fixtures.backups import back_up, restore
from tests.integration.profile.histories import NOON, PARTITIONS, Event, envelope, erased, named
from tests.integration.rebuild.history import history, person, segment_news
from tests.integration.rebuild.world import NAMES, Living, living, say

pytestmark = pytest.mark.postgres
LATE_ERASED = (person(7), person(9))
EXPIRING = tuple(topic for topic in TOPICS if topic.retention_days is not None)
EACH_SERVICE = pytest.mark.parametrize("service_name", NAMES)


@dataclass
class Restorable:
    """A service on databases that a test puts back."""

    name: str
    dsn: str
    log_dsn: str
    folder: Path
    postgres: EmbeddedPostgres

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Living]:
        async with living(self.name, self.dsn, self.log_dsn, self.folder) as live:
            yield live

    def back_up(self, dsn: str) -> Callable[[], None]:
        """Make a back-up; return what puts the database back to it."""
        file = self.folder / f"{dsn.rpartition('/')[2]}.dump"
        back_up(self.postgres, dsn, file)
        return lambda: restore(self.postgres, dsn, file)


@pytest.fixture
def service(service_name: str, live_dsn: str, log_dsn: str, tmp_path: Path, postgres: EmbeddedPostgres) -> Restorable:
    return Restorable(service_name, live_dsn, log_dsn, tmp_path, postgres)


def behaviour() -> list[Event]:
    """Return visits of a year and a half, in order: the first of them expire."""
    days = range(500, 0, -25)
    moments = ((day, NOON - timedelta(days=day)) for day in days)
    return [envelope(PageViewedV1(path="/"), named(f"visit {day}"), at, person(day % 11)) for day, at in moments]


async def go_on(live: Living) -> None:
    """Let two thousand events happen: sales, links, erasures, and bodies that go for good."""
    await live.producer.execute(
        "INSERT INTO retention_marks SELECT topic, partition, max(seq) FROM numbered GROUP BY topic, partition"
    )
    visits = behaviour()
    await say(live.producer, [*visits, *history(2, 1500), *segment_news(2, 30)])
    await live.catch_up()
    await say(live.producer, [erased(subject_id, subject_id) for subject_id in LATE_ERASED])
    async with live.producer.transaction() as tx:
        while await forget_events(tx, LATE_ERASED):
            pass
    await live.producer.execute(
        "UPDATE events e SET stored_at = t.at FROM unnest($1::uuid[], $2::timestamptz[]) AS t (event_id, at)"
        " WHERE e.event_id = t.event_id",
        [visit.event_id for visit in visits],
        [visit.occurred_at for visit in visits],
    )
    await Retention(live.producer, live.clock, EXPIRING, PARTITIONS).run()
    await live.catch_up()
    await tidied(live)


async def tidied(live: Living) -> None:
    assert live.service.rebuild is not None
    await tidy(live.database, live.clock.now(), live.service.rebuild.tidy)


async def derived(live: Living) -> dict[str, str]:
    # Places in Kafka are hints; all else of a position is compared with the logs by catching up.
    return dict(await live.rows("derived", without=["positions"]))


async def named_in(database: Database, subject_id: UUID) -> set[str]:
    """Return the tables that name somebody."""
    tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = set()
    for (table,) in tables:
        if await database.fetchval(
            f"SELECT EXISTS (SELECT FROM {table} t WHERE position($1 IN t::text) > 0)", str(subject_id)
        ):
            found.add(table)
    return found


@EACH_SERVICE
async def test_a_restored_consumer_catches_up_and_is_what_it_was(service: Restorable) -> None:
    put_back = service.back_up(service.dsn)
    async with service.running() as live:
        await go_on(live)
        before = await derived(live)
        remembering = await named_in(live.database, LATE_ERASED[0])
    put_back()
    async with service.running() as live:
        assert await derived(live) != before
        assert await live.behind() > 1500
    told = await run_restored(live.service, live.settings)
    assert told[0].startswith(f"the log goes on as {service.name}#2")
    async with service.running() as live:
        await live.catch_up()
        await tidied(live)
        assert await derived(live) == before
        assert await named_in(live.database, LATE_ERASED[0]) == remembering
        rebuilt = await live.rebuild(check=True)
        assert rebuilt.is_equal, rebuilt.findings


@EACH_SERVICE
async def test_ingest_restored_alone_is_an_alarm_until_its_log_has_another_name(service: Restorable) -> None:
    """Its consumers are ahead of it: what it numbers now would take the places of what they have applied."""
    put_back = service.back_up(service.log_dsn)
    async with service.running() as live:
        await say(live.producer, history(2, 200))
        await live.catch_up()
    put_back()
    async with service.running() as live:
        await say(live.producer, [*history(3, 60)])
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(2.0):
                await live.catch_up()
        forked = await live.database.fetch(
            "SELECT DISTINCT topic FROM positions WHERE forked_reason IS NOT NULL AND origin = 'ingest#1'"
        )
        assert "retail.receipts.v1" in {row["topic"] for row in forked}

    async with service.running() as live:
        # As `restored` does, where ingest's own settings are.
        await live.producer.execute("INSERT INTO log_origin (service, incarnation) VALUES ('ingest', 2)")
        await live.catch_up()
        told = await live.rebuild(check=True)
        assert any("ingest#1 is served no more" in note for note in told.notes)
        assert (await live.rebuild(accept=True)).is_swapped
        again = await live.rebuild(check=True)
        assert again.is_equal, again.findings
        origins = await live.database.fetch("SELECT DISTINCT origin FROM positions WHERE origin LIKE 'ingest%'")
        assert [row["origin"] for row in origins] == ["ingest#2"]
        assert await live.behind() == 0


@pytest.mark.parametrize("service_name", ["profile"])
async def test_a_log_is_renamed_only_while_nobody_serves_it(service: Restorable) -> None:
    async with service.running() as live, opened(live.settings, "profile-worker"):
        with pytest.raises(Conflict, match="profile-worker still runs"):
            await run_restored(live.service, live.settings)
    for told, name in ((None, "profile#2"), (None, "profile#3"), (9, "profile#9")):
        assert (await run_restored(live.service, live.settings, told))[0].startswith(f"the log goes on as {name}")
    with pytest.raises(Conflict, match="a later incarnation is 10 or higher"):
        await run_restored(live.service, live.settings, 9)

"""Rule 21: tables tell of nothing whose body has expired, so that pruned live ones and rebuilt ones agree."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from shared.db import Database
from shared.events import TOPICS, SubjectKind, decode
from shared.events.catalogue import EXAMPLES
from shared.events.retention import LEEWAY
from shared.log.retention import Retention
from shared.worker.tidying import tidy
from tests.integration.profile.histories import NOON, PARTITIONS, Event, attributes, envelope, named
from tests.integration.rebuild.world import NAMES, Living, say

pytestmark = pytest.mark.postgres
EACH_SERVICE = pytest.mark.parametrize("service_name", NAMES)
KEPT = timedelta(days=400)
HORIZON = NOON - (KEPT - LEEWAY)
SECOND = timedelta(seconds=1)
WHEN = {
    "just before": HORIZON - SECOND,
    "at": HORIZON,
    "just after": HORIZON + SECOND,
    "long ago": NOON - KEPT - timedelta(days=30),
    "lately": NOON - timedelta(days=3),
}
EXPIRING = [topic for topic in TOPICS if topic.retention_days is not None]


def told(kind: SubjectKind) -> Iterator[Event]:
    """Yield every example of a topic that expires, at every moment, each of a device or person of its own."""
    for topic in EXPIRING:
        for each in sorted({one.event_type for one in topic.events}):
            for file in sorted((EXAMPLES / each).rglob("*.json")):
                event: Event = decode(file.read_bytes())
                for name, at in WHEN.items():
                    whose = f"{kind} {name} {file.stem}"
                    yield envelope(event.data, named(f"{each} {whose}"), at, named(whose), kind, event.store_id)


async def say_and_expire(live: Living, events: list[Event], stored_after: timedelta) -> None:
    """Say events that were stored so long after they happened, apply them, and let their bodies go that are due."""
    # Bodies go in the log's order: the history that every test begins with stands before these, and is younger.
    await live.producer.execute(
        "INSERT INTO retention_marks SELECT topic, partition, max(seq) FROM numbered GROUP BY topic, partition"
    )
    await say(live.producer, events)
    await live.catch_up()
    await live.producer.execute(
        "UPDATE events e SET stored_at = t.at FROM unnest($1::uuid[], $2::timestamptz[]) AS t (event_id, at)"
        " WHERE e.event_id = t.event_id",
        [event.event_id for event in events],
        [event.occurred_at + stored_after for event in events],
    )
    await Retention(live.producer, live.clock, tuple(EXPIRING), PARTITIONS).run()
    expired = await live.producer.fetchval("SELECT count(*) FROM events WHERE body = ''")
    assert 0 < expired < len(events)


async def tidy_live(live: Living) -> None:
    assert live.service.rebuild is not None
    await tidy(live.database, live.clock.now(), live.service.rebuild.tidy)


@EACH_SERVICE
@pytest.mark.parametrize(("stored_after", "tidied"), [(timedelta(days=-1), False), (timedelta(days=20), True)])
async def test_rebuilt_and_pruned_tables_agree_on_both_sides_of_the_horizon(
    live: Living,
    stored_after: timedelta,
    tidied: bool,  # noqa: FBT001
) -> None:
    """Said a day ahead, which ingest believes, or late: a row goes before its event's body does."""
    # The log is read in order: what is younger stands behind what is older.
    events = sorted([*told("device"), *told("identified")], key=lambda event: event.occurred_at)
    await say_and_expire(live, events, stored_after)
    if tidied:
        await tidy_live(live)
    rebuilt = await live.rebuild()
    assert rebuilt.is_equal, rebuilt.findings


async def moments_of(database: Database, name: str) -> set[datetime]:
    rows = await database.fetch("SELECT occurred_at FROM moments WHERE occurred_at = $1", WHEN[name])
    return {row["occurred_at"] for row in rows}


@pytest.mark.parametrize("service_name", ["profile"])
async def test_moments_and_devices_past_the_horizon_are_gone_and_those_at_it_are_there(live: Living) -> None:
    await say(live.producer, [*told("device"), *told("identified")])
    await live.catch_up()
    await tidy_live(live)
    assert not await moments_of(live.database, "just before")
    assert not await moments_of(live.database, "long ago")
    for name in ("at", "just after", "lately"):
        assert await moments_of(live.database, name)
    devices = await live.database.fetchval("SELECT count(*) FROM subjects WHERE kind = 'device'")
    told_of = await live.database.fetchval(
        "SELECT count(DISTINCT subject_id) FROM moments JOIN subjects USING (subject_id) WHERE kind = 'device'"
    )
    assert devices == told_of > 0


@pytest.mark.parametrize("service_name", ["profile"])
async def test_a_subject_stays_of_which_something_lasting_is_known(live: Living) -> None:
    page = next(event for event in told("identified") if event.occurred_at == WHEN["long ago"])
    lasting = attributes("lasting", {"city": "Lima"}, subject_id=page.subject_id, at=page.occurred_at)
    await say(live.producer, [page, lasting])
    await live.catch_up()
    await tidy_live(live)
    assert await live.database.fetchval("SELECT count(*) FROM subjects WHERE subject_id = $1", page.subject_id) == 1
    assert await live.database.fetchval("SELECT count(*) FROM moments WHERE subject_id = $1", page.subject_id) == 0


@pytest.mark.parametrize("service_name", ["profile"])
async def test_a_customer_known_by_expired_behaviour_alone_is_none_any_more(live: Living) -> None:
    page = next(event for event in told("identified") if event.occurred_at == WHEN["long ago"])
    await say(live.producer, [page])
    await live.catch_up()
    await live.database.execute("DELETE FROM dirty")
    await tidy_live(live)
    marked = await live.database.fetch("SELECT customer_id FROM dirty")
    assert page.subject_id in {row["customer_id"] for row in marked}


@pytest.mark.parametrize("service_name", ["recommend"])
async def test_views_past_the_horizon_are_gone_and_those_at_it_are_there(live: Living) -> None:
    await say(live.producer, [*told("device")])
    await live.catch_up()
    await tidy_live(live)
    rows = await live.database.fetch("SELECT DISTINCT viewed_at FROM session_views")
    seen = {row["viewed_at"] for row in rows}
    assert {WHEN["at"], WHEN["just after"], WHEN["lately"]} <= seen
    assert min(seen) >= HORIZON


@pytest.mark.parametrize("service_name", ["campaign"])
async def test_who_is_in_a_segment_is_known_however_long_ago_they_entered(live: Living) -> None:
    event = decode((EXAMPLES / "SegmentEntered" / "v1" / "champions.json").read_bytes())
    long_ago = event.model_copy(update={"event_id": named("entered"), "occurred_at": NOON - 3 * KEPT})
    await say(live.producer, [long_ago])
    await live.producer.execute("UPDATE events SET stored_at = $1", NOON - 3 * KEPT)
    await Retention(live.producer, live.clock, TOPICS, PARTITIONS).run()
    await live.catch_up()
    rebuilt = await live.rebuild()
    assert rebuilt.is_equal, rebuilt.findings
    assert await live.database.fetchval("SELECT count(*) FROM segment_memberships WHERE is_member") > 0

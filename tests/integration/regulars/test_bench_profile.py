"""The profile's benchmark runs, and applies what it measures."""

import pytest

from regulars.bench.numbered import BEHAVIOUR, RECEIPTS, Kind, batches
from regulars.bench.profile import measure
from shared.db import Database
from shared.events import decode

pytestmark = pytest.mark.postgres


async def test_every_receipt_measured_was_applied(database_dsn: str, database: Database) -> None:
    found = await measure(database_dsn, RECEIPTS, 1_200)
    assert await database.fetchval("SELECT count(*) FROM receipts") == 1_200
    assert await database.fetchval("SELECT sum(receipts) FROM subject_totals") == 1_200
    assert await database.fetchval("SELECT sum(jsonb_array_length(lines)) FROM receipts") == 12_000
    assert await database.fetchval("SELECT count(*) FROM dead_letters") == 0
    assert await database.fetchval("SELECT last_seq FROM positions") == 1_200
    assert found.applied_per_second > 0
    assert found.as_json()["bench"] == "profile"
    assert "1,200 receipts of 10 lines" in found.in_words()


async def test_every_behaviour_event_measured_was_applied(database_dsn: str, database: Database) -> None:
    found = await measure(database_dsn, BEHAVIOUR, 1_200)
    assert await database.fetchval("SELECT count(*) FROM moments") == 1_200
    kept = await database.fetch("SELECT DISTINCT type FROM moments")
    assert {row["type"] for row in kept} == {
        "ProductViewed",
        "PageViewed",
        "ListViewed",
        "SearchPerformed",
        "CartChanged",
    }
    assert await database.fetchval("SELECT count(*) FROM dead_letters") == 0
    assert await database.fetchval("SELECT count(DISTINCT kind) FROM subjects") == 2
    assert found.copied_per_second > found.applied_per_second > 0


@pytest.mark.parametrize("kind", [RECEIPTS, BEHAVIOUR], ids=lambda kind: kind.topic)
def test_the_events_are_the_same_each_time_and_each_names_the_one_before_it(kind: Kind) -> None:
    first, second = ([record for batch in batches(kind, 120, 50) for record in batch] for _ in range(2))
    assert first == second
    assert [record.seq for record in first] == list(range(1, 121))
    assert [record.prev_event_id for record in first] == [None, *(record.event_id for record in first[:-1])]
    assert all(decode(record.body).event_id == record.event_id for record in first)

"""The profile's benchmark runs, and applies what it measures."""

import pytest

from regulars.bench.profile import measure
from shared.db import Database

pytestmark = pytest.mark.postgres


async def test_everything_measured_was_applied(database_dsn: str, database: Database) -> None:
    found = await measure(database_dsn, receipts=1_200)
    assert await database.fetchval("SELECT count(*) FROM receipts") == 1_200
    assert await database.fetchval("SELECT sum(receipts) FROM subject_totals") == 1_200
    assert await database.fetchval("SELECT sum(jsonb_array_length(lines)) FROM receipts") == 12_000
    assert await database.fetchval("SELECT count(*) FROM dead_letters") == 0
    assert await database.fetchval("SELECT last_seq FROM positions") == 1_200
    assert found.applied_per_second > 0
    assert found.as_json()["bench"] == "profile"
    assert "1,200 receipts of 10 lines" in found.in_words()

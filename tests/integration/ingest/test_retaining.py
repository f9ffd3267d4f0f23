"""Inputs as they came expire; the events made of them, and their keys, do not."""

from datetime import UTC, datetime, timedelta

import pytest

from services.ingest.handlers.privacy.retaining import Retaining
from shared.clock import FixedClock
from tests.integration.ingest.conftest import Running, receipt

pytestmark = pytest.mark.postgres

SOLD_AT = datetime(2026, 3, 1, tzinfo=UTC)


def retaining(ingest: Running, at: datetime) -> Retaining:
    return Retaining(ingest.database, FixedClock(at), originals_kept_days=400, refusals_kept_days=400)


async def test_an_original_expires_and_its_receipt_still_counts_once(ingest: Running) -> None:
    await ingest.results("/v1/receipts", [receipt(1), receipt(2, kind="gift")])
    await retaining(ingest, SOLD_AT + timedelta(days=399)).run()
    assert (await ingest.count("originals"), await ingest.count("refusals")) == (1, 1)
    await retaining(ingest, ingest.app.state.clock.now() + timedelta(days=500)).run()
    assert (await ingest.count("originals"), await ingest.count("refusals")) == (0, 0)
    assert await ingest.count("events WHERE body <> ''") == 1
    (again,) = await ingest.results("/v1/receipts", receipt(1))
    assert again["status"] == "repeat"


async def test_wrong_proofs_are_forgotten_when_the_last_is_long_ago(ingest: Running) -> None:
    await ingest.database.execute(
        "INSERT INTO claim_tries (receipt_id, failed, last_at)"
        " SELECT gen_random_uuid(), tries, $1::timestamptz FROM generate_series(1, 5) AS tries",
        SOLD_AT,
    )
    await retaining(ingest, SOLD_AT + timedelta(days=399)).run()
    assert await ingest.count("claim_tries") == 5
    await retaining(ingest, SOLD_AT + timedelta(days=401)).run()
    assert await ingest.count("claim_tries") == 0


async def test_answers_stored_for_a_repeat_expire(ingest: Running) -> None:
    await ingest.database.execute(
        "INSERT INTO idempotency_keys (scope, key, fingerprint, status, body, expires_at)"
        " SELECT 'somebody POST /v1/erasures', name, '', 202, '{}', $1::timestamptz + days * interval '1 day'"
        " FROM (VALUES ('old', -1), ('young', 1)) AS stored (name, days)",
        SOLD_AT,
    )
    await retaining(ingest, SOLD_AT).run()
    kept = await ingest.database.fetch("SELECT key FROM idempotency_keys")
    assert [row["key"] for row in kept] == ["young"]

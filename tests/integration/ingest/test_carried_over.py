"""What was linked before links were kept as edges is carried over."""

import asyncio
from uuid import UUID

import pytest
from alembic import command

from services.ingest.app import MIGRATIONS
from shared import migrations
from shared.db import Database
from shared.events import Envelope, encode
from shared.events.customers import AttributesChangedV1
from tests.integration.profile.histories import NOON, TILL

pytestmark = pytest.mark.postgres
CARD, PHONE, DEVICE, EVENT = (UUID(int=number) for number in (9, 5, 7, 100))


async def before(dsn: str) -> None:
    envelope = Envelope[AttributesChangedV1].of(
        AttributesChangedV1(attributes={}),
        event_id=EVENT,
        occurred_at=NOON,
        received_at=NOON,
        subject_id=CARD,
        subject_kind="identified",
        source=TILL,
    )
    database = await Database.connect(dsn, application="tests")
    try:
        await database.execute(
            "INSERT INTO events (event_id, topic, key, type, version, body) VALUES ($1, 't', 'k', 'T', 1, $2)",
            EVENT,
            encode(envelope),
        )
        await database.execute(
            "INSERT INTO assignments (subject_id, customer_id, version, cause, event_id)"
            " VALUES ($1, $1, 1, 'first_seen', $3), ($2, $1, 1, 'linked', $3)",
            CARD,
            PHONE,
            EVENT,
        )
        await database.execute(
            "INSERT INTO refused_links (event_id, subject_id, reason) VALUES ($1, $2, 'device_is_shared')",
            EVENT,
            DEVICE,
        )
    finally:
        await database.close()


async def links(dsn: str) -> list[tuple[object, ...]]:
    database = await Database.connect(dsn, application="tests")
    try:
        rows = await database.fetch(
            "SELECT left_id, right_id, event_id, state, reason, rule_version FROM links ORDER BY n"
        )
        return [tuple(row.values()) for row in rows]
    finally:
        await database.close()


def test_assignments_and_refusals_become_links(database_dsn: str) -> None:
    command.upgrade(migrations._config(database_dsn, MIGRATIONS), "0002")
    asyncio.run(before(database_dsn))
    migrations.upgrade(database_dsn, MIGRATIONS)
    assert asyncio.run(links(database_dsn)) == [
        (PHONE, CARD, EVENT, "made", None, 1),
        (DEVICE, CARD, EVENT, "refused", "device_is_shared", 1),
    ]

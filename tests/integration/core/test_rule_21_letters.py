"""Rule 21 for dead letters: they hold a body too, and go with it."""

from datetime import datetime, timedelta

import pytest

from shared.db import Database
from shared.events import encode
from shared.events.retention import LEEWAY
from shared.worker.deadletters import expire_letters
from shared.worker.tidying import tidy
from tests.fixtures.core import AT, TOPIC, page_view

NOW = AT + timedelta(days=1000)
HORIZON = NOW - (timedelta(days=400) - LEEWAY)
SECOND = timedelta(seconds=1)


async def letter(consumer: Database, seq: int, occurred_at: datetime | None, topic: str = TOPIC) -> None:
    """Keep an event as a dead letter; without a time, one that cannot be read."""
    event = page_view()
    body = b'{"type"' if occurred_at is None else encode(event.model_copy(update={"occurred_at": occurred_at}))
    await consumer.execute(
        "INSERT INTO dead_letters"
        " (origin, topic, partition, seq, event_id, type, reason, body, code_version, dead_at)"
        " VALUES ('ingest#1', $1, 0, $2, $3, 'PageViewed.v1', 'broken', $4, '1', $5)",
        topic,
        seq,
        event.event_id,
        body,
        HORIZON - SECOND,
    )


async def left(consumer: Database) -> list[int]:
    return [row["seq"] for row in await consumer.fetch("SELECT seq FROM dead_letters ORDER BY seq")]


async def test_letters_go_with_the_bodies_of_their_log(consumer: Database) -> None:
    for seq, at in enumerate((HORIZON - SECOND, HORIZON, HORIZON + SECOND, NOW), 1):
        await letter(consumer, seq, at)
    await tidy(consumer, NOW, ())
    assert await left(consumer) == [2, 3, 4]


async def test_of_a_letter_that_cannot_be_read_the_time_of_its_death_counts(consumer: Database) -> None:
    await letter(consumer, 1, None)
    await tidy(consumer, NOW - 2 * SECOND, ())
    assert await left(consumer) == [1]
    await tidy(consumer, NOW, ())
    assert await left(consumer) == []


async def test_letters_of_topics_that_are_kept_for_ever_stay(consumer: Database) -> None:
    await letter(consumer, 1, HORIZON - timedelta(days=2000), topic="retail.receipts.v1")
    await tidy(consumer, NOW, ())
    assert await left(consumer) == [1]


async def test_letters_go_in_lots(consumer: Database, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.worker.deadletters.EXPIRED_AT_ONCE", 2)
    for seq in range(1, 6):
        await letter(consumer, seq, HORIZON - SECOND)
    async with consumer.transaction() as tx:
        assert await expire_letters(tx, NOW)
    assert len(await left(consumer)) == 3
    await tidy(consumer, NOW, ())
    assert await left(consumer) == []

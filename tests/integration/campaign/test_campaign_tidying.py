"""Old idempotency keys are forgotten, however many there are."""

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import pytest

from services.campaign.app import open_work
from shared.db import Transaction
from shared.errors import TransientError
from shared.http.idempotency import PURGED_AT_ONCE, purge_all_expired, purge_expired
from tests.integration.campaign.world import DAY, NOW, World

pytestmark = pytest.mark.postgres


async def store_keys(world: World, count: int, expires_at: datetime) -> str:
    """Store answers as that many requests would have left them; return their scope."""
    scope = uuid4().hex
    await world.database.execute(
        "INSERT INTO idempotency_keys (scope, key, fingerprint, status, body, expires_at)"
        " SELECT $1, number::text, '', 200, '{}', $3 FROM generate_series(1, $2) AS number",
        scope,
        count,
        expires_at,
    )
    return scope


async def kept(world: World, scope: str) -> int:
    count: int = await world.database.fetchval("SELECT count(*) FROM idempotency_keys WHERE scope = $1", scope)
    return count


@pytest.mark.parametrize("count", [0, 1, PURGED_AT_ONCE, 2 * PURGED_AT_ONCE, 3 * PURGED_AT_ONCE + 7])
async def test_one_purge_forgets_every_key_past_its_time_and_no_other(world: World, count: int) -> None:
    old = await store_keys(world, count, NOW - timedelta(seconds=1))
    young = await store_keys(world, 3, NOW + timedelta(seconds=1))
    await purge_all_expired(world.database, NOW)
    assert (await kept(world, old), await kept(world, young)) == (0, 3)
    await purge_all_expired(world.database, NOW + DAY)
    assert await kept(world, young) == 0


async def test_the_worker_s_task_purges_by_its_own_clock(world: World) -> None:
    old = await store_keys(world, PURGED_AT_ONCE + 1, datetime(2020, 1, 1, tzinfo=UTC))
    young = await store_keys(world, 1, datetime(2999, 1, 1, tzinfo=UTC))
    async with open_work(world.settings, world.database) as work:
        await next(task for task in work.tasks if task.name == "purge-idempotency").run()
    assert (await kept(world, old), await kept(world, young)) == (0, 1)


async def test_a_purge_that_is_cut_short_keeps_what_it_did(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each lot is a transaction of its own."""
    old = await store_keys(world, 2 * PURGED_AT_ONCE, NOW)
    lots: list[int] = []

    async def first_alone(tx: Transaction, now: datetime) -> int:
        if lots:
            raise TransientError("the database went away")
        lots.append(await purge_expired(tx, now))
        return lots[0]

    monkeypatch.setattr("shared.http.idempotency.purge_expired", first_alone)
    with pytest.raises(TransientError):
        await purge_all_expired(world.database, NOW)
    assert await kept(world, old) == PURGED_AT_ONCE

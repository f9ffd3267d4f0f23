"""Rule 6: a leader frozen inside its transaction holds nobody up, and changes nothing when it wakes."""

import asyncio
import signal
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from shared.db import Database
from tests.faults.harness import Child, measure
from tests.fixtures.core import page_view, say
from tests.fixtures.waiting import until

Spawn = Callable[..., Child]

pytestmark = pytest.mark.faults

TAKE_OVER_SECONDS = 5.0


async def holder(database: Database) -> str | None:
    name: str | None = await database.fetchval(
        "SELECT holder FROM leases WHERE name = 'numberer' AND expires_at > clock_timestamp()"
    )
    return name


async def leads(database: Database, name: str) -> bool:
    return await holder(database) == name


async def connected(database: Database, name: str) -> bool:
    """Say whether a process is up: starting takes longer than taking over."""
    return bool(await database.fetchval("SELECT 1 FROM pg_stat_activity WHERE application_name = $1 LIMIT 1", name))


async def all_numbered(database: Database) -> bool:
    return not await database.fetchval("SELECT EXISTS (SELECT FROM unnumbered)")


async def assert_numbers_are_dense(database: Database, events: int) -> None:
    rows = await database.fetch(
        "SELECT count(*) AS numbers, min(seq) AS first, max(seq) AS last, count(DISTINCT event_id) AS events"
        " FROM numbered GROUP BY topic, partition"
    )
    assert all((row["first"], row["last"], row["events"]) == (1, row["numbers"], row["numbers"]) for row in rows)
    assert sum(row["numbers"] for row in rows) == events
    broken = await database.fetchval(
        "SELECT count(*) FROM numbered n LEFT JOIN numbered p ON (p.topic, p.partition, p.seq)"
        " = (n.topic, n.partition, n.seq - 1) WHERE n.prev_event_id IS DISTINCT FROM p.event_id"
    )
    assert broken == 0


async def resumed(child: Child, database: Database) -> None:
    """Wake a frozen leader and wait until it has tried to go on: it asks for the lease again, in vain."""
    child.signal(signal.SIGCONT)
    await until(lambda: _said(child, "log.deposed", "log.away"), 10)
    assert child.exit_code is None


async def _said(child: Child, *words: str) -> bool:
    text = child.log_file.read_text()
    return any(word in text for word in words)


async def test_a_leader_frozen_inside_its_transaction_is_overtaken_and_changes_nothing(
    producer: Database, spawn: Spawn, tmp_path: Path
) -> None:
    freeze_file = tmp_path / "freeze"
    first = spawn("leader", "first", freeze_file=str(freeze_file))
    await until(lambda: leads(producer, "first"), 15)
    await say(producer, [page_view() for _ in range(100)])
    await until(lambda: all_numbered(producer), 5)
    spawn("leader", "second")
    await until(lambda: connected(producer, "second"), 15)

    freeze_file.touch()
    await say(producer, [page_view() for _ in range(100)])
    await until(first.is_frozen, 5)
    seconds = await until(lambda: all_numbered(producer), 15)
    measure("a leader frozen inside its transaction was overtaken after", seconds)
    assert seconds <= TAKE_OVER_SECONDS
    assert await leads(producer, "second")

    await say(producer, [page_view() for _ in range(100)])
    await resumed(first, producer)
    await until(lambda: all_numbered(producer), 5)
    await assert_numbers_are_dense(producer, 300)
    assert await leads(producer, "second")


async def test_a_leader_frozen_between_transactions_is_overtaken_and_changes_nothing(
    producer: Database, spawn: Spawn
) -> None:
    first = spawn("leader", "first")
    await until(lambda: leads(producer, "first"), 15)
    spawn("leader", "second")
    await until(lambda: connected(producer, "second"), 15)
    await say(producer, [page_view() for _ in range(100)])
    await until(lambda: all_numbered(producer), 5)

    first.signal(signal.SIGSTOP)
    await say(producer, [page_view() for _ in range(100)])
    seconds = await until(lambda: all_numbered(producer), 15)
    measure("a leader frozen between transactions was overtaken after", seconds)
    assert seconds <= TAKE_OVER_SECONDS
    await resumed(first, producer)
    await say(producer, [page_view() for _ in range(100)])
    await until(lambda: all_numbered(producer), 5)
    await assert_numbers_are_dense(producer, 300)


async def test_leaders_that_are_frozen_in_turn_skip_no_number(
    producer: Database, spawn: Spawn, tmp_path: Path
) -> None:
    """While events keep coming, each leader in turn is frozen, overtaken and woken."""
    freeze_file = tmp_path / "freeze"
    leaders = [spawn("leader", name, freeze_file=str(freeze_file)) for name in ("first", "second")]
    for leader in leaders:
        await until(partial(connected, producer, leader.name), 20)
    said = 0
    for _ in range(2):
        await until(lambda: all_numbered(producer), 15)
        freeze_file.touch()
        await say(producer, [page_view() for _ in range(50)])
        said += 50
        await until(lambda: asyncio.sleep(0, not freeze_file.exists()), 10)
        await until(lambda: all_numbered(producer), 10)
        for leader in leaders:
            leader.signal(signal.SIGCONT)
    await assert_numbers_are_dense(producer, said)


async def test_a_leader_that_is_told_to_stop_gives_the_lease_back(producer: Database, spawn: Spawn) -> None:
    first = spawn("leader", "first")
    await until(lambda: leads(producer, "first"), 15)
    first.signal(signal.SIGINT)
    seconds = await until(lambda: asyncio.sleep(0, first.exit_code is not None), 5)
    assert await holder(producer) is None
    assert seconds < 3

"""The one door to PostgreSQL: nothing waits for ever, nothing that failed is taken for done, and pools recover."""

import asyncio
import os
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import asyncpg
import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from shared.db import (
    UNDO_SECONDS,
    Database,
    DatabaseAwayError,
    PoolLimits,
    Transaction,
    is_transient,
    reason_of,
    storable,
)
from tests.fixtures.waiting import until

LIMITS = PoolLimits(size_max=1, command_seconds=1.0, acquire_seconds=2.0)


@pytest.fixture
async def narrow(database_dsn: str) -> AsyncIterator[Database]:
    """A pool of one connection and short deadlines, with a table to write to."""
    database = await Database.connect(database_dsn, application="narrow", limits=LIMITS)
    await database.execute("CREATE TABLE notes (n int PRIMARY KEY)")
    try:
        yield database
    finally:
        await database.close()


@asynccontextmanager
async def frozen_backend(session: Transaction) -> AsyncIterator[None]:
    """Stop the server's process behind a session."""
    pid = await session.fetchval("SELECT pg_backend_pid()")
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def notes(database: Database) -> list[int]:
    return [row["n"] for row in await database.fetch("SELECT n FROM notes ORDER BY n")]


@pytest.mark.parametrize("kind", ["session", "transaction", "savepoint"])
async def test_a_frozen_backend_fails_the_query_in_time_and_the_pool_goes_on(narrow: Database, kind: str) -> None:
    started = time.monotonic()
    with pytest.raises(DatabaseAwayError):
        async with asyncio.timeout(5):
            await ask_a_frozen_backend(narrow, kind)
    assert time.monotonic() - started < LIMITS.command_seconds + 1
    assert await narrow.fetchval("SELECT 1") == 1


async def ask_a_frozen_backend(database: Database, kind: str) -> None:
    opened = database.session() if kind == "session" else database.transaction()
    async with opened as session, frozen_backend(session):
        if kind == "savepoint":
            async with session.savepoint():
                await session.fetchval("SELECT 2")
        await session.fetchval("SELECT 2")


@pytest.mark.parametrize("kind", ["session", "transaction", "savepoint"])
async def test_work_on_a_frozen_backend_is_cancelled_in_time(narrow: Database, kind: str) -> None:
    asking = asyncio.create_task(ask_a_frozen_backend(narrow, kind))
    await until(lambda: asyncio.sleep(0, narrow._pool.get_idle_size() == 0), 2)
    await asyncio.sleep(0.2)
    asking.cancel()
    done, _ = await asyncio.wait({asking}, timeout=UNDO_SECONDS + 2)
    assert done == {asking}
    assert await narrow.fetchval("SELECT 1") == 1


@pytest.mark.parametrize("kind", ["session", "transaction", "savepoint"])
async def test_a_cancellation_stays_one_though_the_session_was_ended_meanwhile(narrow: Database, kind: str) -> None:
    """A lost session must not turn being told to stop into something to be tried again."""
    begun = asyncio.Event()

    async def work() -> None:
        opened = narrow.session() if kind == "session" else narrow.transaction()
        async with opened as session, session.savepoint() if kind == "savepoint" else asyncio.timeout(60):
            if kind != "session":
                await session.execute("INSERT INTO notes VALUES (1)")
            pid = await session.fetchval("SELECT pg_backend_pid()")
            os.kill(pid, signal.SIGTERM)
            begun.set()
            await asyncio.Event().wait()

    working = asyncio.create_task(work())
    await begun.wait()
    await asyncio.sleep(0.2)
    working.cancel()
    await asyncio.wait({working}, timeout=5)
    assert working.cancelled()
    assert await notes(narrow) == []


async def test_a_killed_server_is_away_and_then_back(private_postgres: EmbeddedPostgres) -> None:
    dsn = private_postgres.create_database("fragile")
    database = await Database.connect(dsn, application="tests", limits=LIMITS)
    try:
        await database.execute("CREATE TABLE notes (n int PRIMARY KEY)")
        async with database.transaction() as tx:
            await tx.execute("INSERT INTO notes VALUES (1)")
        with pytest.raises(DatabaseAwayError):
            await write_while(database, private_postgres.kill)
        with pytest.raises(DatabaseAwayError):
            await database.ping()
        await asyncio.to_thread(private_postgres.start)
        assert await notes(database) == [1]
    finally:
        await database.close()


async def write_while(database: Database, kill: Callable[[], None]) -> None:
    async with database.transaction() as tx:
        await tx.execute("INSERT INTO notes VALUES (2)")
        kill()
        while True:  # the session's own process takes a moment to notice
            await tx.execute("SELECT pg_sleep(0.02)")


async def test_connecting_to_nobody_fails_as_away() -> None:
    with pytest.raises(DatabaseAwayError):
        await Database.connect("postgresql://nobody:x@127.0.0.1:1/none", application="tests", limits=LIMITS)


async def test_a_pool_that_is_exhausted_is_away_and_not_waited_for_for_ever(narrow: Database) -> None:
    async with narrow.session():
        with pytest.raises(DatabaseAwayError):
            await narrow.fetchval("SELECT 1")


async def test_a_transaction_that_raises_leaves_nothing(narrow: Database) -> None:
    async def fail() -> None:
        async with narrow.transaction() as tx:
            await tx.execute("INSERT INTO notes VALUES (1)")
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        await fail()
    assert await notes(narrow) == []


async def test_a_savepoint_undoes_what_is_inside_and_only_that(narrow: Database) -> None:
    async with narrow.transaction() as tx:
        await tx.execute("INSERT INTO notes VALUES (1)")
        with suppress(asyncpg.UniqueViolationError):
            async with tx.savepoint():
                await tx.execute("INSERT INTO notes VALUES (2)")
                await tx.execute("INSERT INTO notes VALUES (1)")
        async with tx.savepoint():
            await tx.execute("INSERT INTO notes VALUES (3)")
            with suppress(ValueError):
                async with tx.savepoint():
                    await tx.execute("INSERT INTO notes VALUES (4)")
                    raise ValueError
    assert await notes(narrow) == [1, 3]


async def test_what_is_to_be_done_after_the_commit_is_done_once_and_never_for_what_is_undone(
    narrow: Database,
) -> None:
    done: list[str] = []
    with suppress(ValueError):
        async with narrow.transaction() as tx:
            tx.on_commit(lambda: done.append("undone"))
            raise ValueError
    async with narrow.transaction() as tx:
        tx.on_commit(lambda: done.append("outside"))
        with suppress(ValueError):
            async with tx.savepoint():
                tx.on_commit(lambda: done.append("undone inside"))
                raise ValueError
        async with tx.savepoint():
            tx.on_commit(lambda: done.append("inside"))
        assert not done
    assert done == ["outside", "inside"]
    async with narrow.session() as session:
        session.on_commit(lambda: done.append("session"))
    assert done[2:] == ["session"]


async def test_why_something_failed_is_said_without_the_values_that_it_failed_on(narrow: Database) -> None:
    await narrow.execute("CREATE TABLE people (name text PRIMARY KEY CHECK (name <> 'Wang Fang'))")
    failures = []
    for sql, value in (
        ("INSERT INTO people VALUES ($1)", "Wang Fang"),
        ("INSERT INTO people SELECT $1::text FROM generate_series(1, 2)", "Wang Fang's sister"),
        ("SELECT $1::text::int", "Wang Fang"),
        ("SELECT $1::int", "Wang Fang"),
    ):
        with pytest.raises(asyncpg.PostgresError) as failed:
            await narrow.execute(sql, value)
        assert "Wang" in str(failed.value)
        failures.append(reason_of(failed.value))
    assert not [reason for reason in failures if "Wang" in reason]
    assert failures[0].startswith('CheckViolationError: new row for relation "people" violates check constraint')


async def test_a_failure_of_the_work_is_not_taken_for_one_of_the_infrastructure(narrow: Database) -> None:
    await narrow.execute("INSERT INTO notes VALUES (1)")
    with pytest.raises(asyncpg.UniqueViolationError) as violation:
        await narrow.execute("INSERT INTO notes VALUES (1)")
    assert not is_transient(violation.value)
    with pytest.raises(asyncpg.DataError) as unfit:
        await narrow.execute("INSERT INTO notes VALUES ($1)", "not a number")
    assert not is_transient(unfit.value)
    with pytest.raises(asyncpg.InterfaceError) as misfit:
        await narrow.execute("INSERT INTO notes VALUES ($1)", 1, 2)
    assert not is_transient(misfit.value)


def test_a_file_of_ours_that_is_missing_is_no_failure_of_the_infrastructure(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as missing:
        (tmp_path / "model").read_bytes()
    assert not is_transient(missing.value)
    assert is_transient(ConnectionRefusedError(111, "nobody listens"))


async def test_plans_made_stale_by_a_migration_are_infrastructure_and_the_next_try_succeeds(
    database: Database,
) -> None:
    """Otherwise a migration beside a running worker would make dead letters of good events."""
    await database.execute("CREATE TABLE plans (a int)")
    await select_in_transaction(database)
    await database.execute("ALTER TABLE plans ADD COLUMN b int")
    with pytest.raises(DatabaseAwayError, match="InvalidCachedStatementError"):
        await select_in_transaction(database)
    await select_in_transaction(database)


async def select_in_transaction(database: Database) -> None:
    async with database.transaction() as tx:
        await tx.fetch("SELECT * FROM plans")


@pytest.mark.parametrize("blocking", [False, True], ids=["awaiting", "blocking-the-loop"])
async def test_a_session_idle_in_its_transaction_is_ended_by_the_server(database_dsn: str, *, blocking: bool) -> None:
    """Also when the driver learns of it only while it sends the next statement."""

    async def idle(tx: Transaction) -> None:
        await tx.execute("SELECT 1")
        if blocking:
            time.sleep(0.6)  # noqa: ASYNC251 (a handler that computes)
        else:
            await asyncio.sleep(0.6)
        await tx.execute("SELECT 1")

    await ends_as_away(database_dsn, PoolLimits(size_max=1, idle_in_transaction_seconds=0.2), idle)


async def test_a_session_ended_before_its_commit_is_away(database_dsn: str) -> None:
    async def idle(tx: Transaction) -> None:
        await tx.execute("SELECT 1")
        time.sleep(0.6)  # noqa: ASYNC251 (a handler that computes)

    await ends_as_away(database_dsn, PoolLimits(size_max=1, idle_in_transaction_seconds=0.2), idle)


async def test_a_transaction_that_goes_on_too_long_is_ended_by_the_server(database_dsn: str) -> None:
    async def go_on(tx: Transaction) -> None:
        while True:
            await tx.execute("SELECT pg_sleep(0.05)")

    await ends_as_away(database_dsn, PoolLimits(size_max=1, command_seconds=0.2), go_on)


async def ends_as_away(dsn: str, limits: PoolLimits, work: Callable[[Transaction], Awaitable[None]]) -> None:
    database = await Database.connect(dsn, application="limited", limits=limits)

    async def run() -> None:
        async with database.transaction() as tx:
            await work(tx)

    try:
        with pytest.raises(DatabaseAwayError):
            await run()
        assert await database.fetchval("SELECT 1") == 1
    finally:
        await database.close()


@pytest.mark.faults
async def test_a_client_frozen_while_it_is_answered_gives_up_its_locks(narrow: Database, database_dsn: str) -> None:
    """No time-out of a statement or of idling counts while the server waits for the client to read."""
    await narrow.execute("INSERT INTO notes VALUES (1)")
    other = await Database.connect(database_dsn, application="frozen")
    try:
        async with other._connection() as connection:
            block = connection.transaction()
            await block.start()
            await connection.execute("SELECT 1 FROM notes FOR UPDATE")
            connection._con._transport.pause_reading()
            reading = asyncio.create_task(
                connection.execute("SELECT repeat('x', 1000000) FROM generate_series(1, 100)", timeout=60)
            )
            seconds = await until(lambda: _can_lock(narrow), 20)
            assert seconds < 12
            reading.cancel()
            await asyncio.wait({reading})
            connection.terminate()
    finally:
        await other.close()


async def _can_lock(database: Database) -> bool:
    async with database.transaction() as tx:
        return bool(await tx.fetch("SELECT 1 FROM notes FOR UPDATE SKIP LOCKED"))


def test_any_text_can_be_made_storable() -> None:
    assert storable("a\x00b\ud800c", 100) == "a\\x00b\\ud800c"
    assert storable("é" * 10, 4) == "éééé"


async def test_what_was_made_storable_is_stored(narrow: Database) -> None:
    assert await narrow.fetchval("SELECT $1::text", storable("\x00\udfff", 100)) == "\\x00\\udfff"

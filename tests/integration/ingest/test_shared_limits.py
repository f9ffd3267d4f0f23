"""A source's limit is one for all processes of ingest together, and costs the database little."""

import asyncio
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from services.ingest.domain.buckets import RateLimit
from services.ingest.domain.sources import Source, SourceKind
from services.ingest.errors import RateLimited
from services.ingest.handlers.sources.limiting import Limiter
from services.ingest.store import limits as store
from shared.db import Database, DatabaseAwayError, Transaction
from tests.integration.ingest.conftest import Running

pytestmark = pytest.mark.postgres
ROOT = Path(__file__).parents[3]
RATE, BURST, SECONDS = 100, 20, 2.0


def source(limit: RateLimit | None, source_id: str = "shop") -> Source:
    return Source(source_id, SourceKind.WEB, limit=limit)


async def passes(limiter: Limiter, one: Source, events: int) -> bool:
    try:
        await limiter.take(one, events)
    except RateLimited:
        return False
    return True


async def test_two_processes_have_one_burst_between_them(ingest: Running) -> None:
    first, second = Limiter(ingest.database), Limiter(ingest.database)
    slow = source(RateLimit(1, 10))
    passed = [await passes(limiter, slow, 3) for limiter in (first, second, first, second)]
    assert passed == [True, True, True, False]


async def test_a_source_that_begins_at_another_process_is_known_there(ingest: Running) -> None:
    slow = source(RateLimit(1, 5))
    assert await passes(Limiter(ingest.database), slow, 5)
    assert not await passes(Limiter(ingest.database), slow, 1)


async def test_sources_do_not_take_of_one_another(ingest: Running) -> None:
    limiter = Limiter(ingest.database)
    for source_id in ("shop", "app", "key_0123"):
        assert await passes(limiter, source(RateLimit(1, 2), source_id), 2)
        assert not await passes(limiter, source(RateLimit(1, 2), source_id), 2)


async def test_a_limit_that_was_changed_or_taken_away_holds_at_once(ingest: Running) -> None:
    limiter = Limiter(ingest.database)
    assert await passes(limiter, source(RateLimit(1, 100)), 50)
    assert await passes(limiter, source(RateLimit(1, 10)), 10)
    assert not await passes(limiter, source(RateLimit(1, 10)), 1)
    assert await passes(limiter, source(None), 1000)


async def test_a_batch_larger_than_the_burst_is_paid_for_at_every_process(ingest: Running) -> None:
    slow = source(RateLimit(1, 10))
    assert await passes(Limiter(ingest.database), slow, 500)
    with pytest.raises(RateLimited) as refused:
        await Limiter(ingest.database).take(slow, 1)
    assert 485 <= refused.value.retry_after_seconds <= 491


async def test_a_busy_source_asks_the_database_a_few_times_a_second(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = counted(monkeypatch)
    limiter, busy, began = Limiter(ingest.database), source(RateLimit(100_000, 100_000)), time.monotonic()
    for _ in range(10_000):
        assert await passes(limiter, busy, 1)
    seconds = time.monotonic() - began
    assert len(asked) <= 30 + 5 * seconds


async def test_who_is_refused_again_and_again_does_not_ask_the_database(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    limiter, slow = Limiter(ingest.database), source(RateLimit(1, 5))
    assert await passes(limiter, slow, 100)
    assert not await passes(limiter, slow, 1)
    asked = counted(monkeypatch)
    for _ in range(1000):
        assert not await passes(limiter, slow, 1)
    assert asked == []


async def test_a_source_without_a_limit_asks_nothing(ingest: Running, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = counted(monkeypatch)
    assert await passes(Limiter(ingest.database), source(None), 1000)
    assert asked == []


async def test_requests_that_come_together_are_let_pass_as_far_as_the_limit_goes(ingest: Running) -> None:
    limiters = [Limiter(ingest.database) for _ in range(2)]
    one = source(RateLimit(1, 40))
    passed = await asyncio.gather(*(passes(limiters[number % 2], one, 1) for number in range(100)))
    assert 40 <= sum(passed) <= 43


async def test_while_the_database_is_away_a_limited_source_waits_like_every_other(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def away(*_: object) -> None:
        raise DatabaseAwayError("gone")

    limiter, one = Limiter(ingest.database), source(RateLimit(1, 10))
    with monkeypatch.context() as patched:
        patched.setattr(store, "locked_bucket", away)
        with pytest.raises(DatabaseAwayError):
            await limiter.take(one, 1)
    assert await passes(limiter, one, 10)


def counted(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note every question to the database from now on."""
    asked: list[str] = []
    locked_bucket = store.locked_bucket

    async def noted(tx: Transaction, source_id: str, limit: RateLimit) -> object:
        asked.append(source_id)
        return await locked_bucket(tx, source_id, limit)

    monkeypatch.setattr(store, "locked_bucket", noted)
    return asked


@asynccontextmanager
async def process(dsn: str) -> AsyncIterator[asyncio.subprocess.Process]:
    """Have one process that is ready to send; it ends with the block."""
    program = ["-m", "tests.fixtures.processes.limited_process", dsn, "shop", str(RATE), str(BURST), str(SECONDS)]
    pipe = asyncio.subprocess.PIPE
    running = await asyncio.create_subprocess_exec(sys.executable, *program, cwd=ROOT, stdin=pipe, stdout=pipe)
    try:
        async with asyncio.timeout(60):
            assert running.stdout is not None
            assert await running.stdout.readline() == b"ready\n"
        yield running
    finally:
        if running.returncode is None:
            running.kill()
        await running.wait()


async def sent_by(running: asyncio.subprocess.Process) -> int:
    """Let it send; return how many events passed."""
    async with asyncio.timeout(60):
        said, _ = await running.communicate(b"go\n")
    return int(said.split()[0])


async def test_two_processes_that_send_all_they_can_pass_as_much_as_one(ingest: Running) -> None:
    dsn = ingest.settings.database_url.get_secret_value()
    async with process(dsn) as first, process(dsn) as second:
        began = time.monotonic()
        passed = await asyncio.gather(sent_by(first), sent_by(second))
        seconds = time.monotonic() - began
    assert sum(passed) <= BURST + RATE * seconds + 1
    assert sum(passed) >= 0.7 * RATE * SECONDS
    assert min(passed) >= 0.1 * sum(passed)


async def test_two_processes_answer_a_client_by_one_limit(ingest: Running) -> None:
    """Both know the source, its key and its limit from the database alone."""
    other = await Database.connect(ingest.settings.database_url.get_secret_value(), application="tests-other")
    try:
        one = source(RateLimit(1, 4))
        answers = [await passes(limiter, one, 2) for limiter in (Limiter(other), Limiter(ingest.database)) * 2]
    finally:
        await other.close()
    assert answers == [True, True, False, False]

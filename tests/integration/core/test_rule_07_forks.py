"""Rule 7: a producer with another history than the one applied stops its line with an alarm, and no other line."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from fastapi import FastAPI
from prometheus_client import REGISTRY
from pydantic import SecretStr
from structlog.testing import capture_logs

from shared.db import Database
from shared.http.app import create_app
from shared.http.client import service_client
from shared.http.log import READERS_MAX, ServedLog, router
from shared.keys import KeyRing, issue_key, write_keys
from shared.log import LogReader
from shared.worker.domain import Head, Incoming, Position
from shared.worker.source import ForkedError, HttpLogSource, ProducerAwayError
from tests.fixtures.brokers import Broker
from tests.fixtures.core import (
    PARTITIONS,
    TOPIC,
    DirectSource,
    consume,
    facts,
    lead,
    number_all,
    numberer,
    page_view,
    partition_runner,
    running,
    say,
    subject_in,
    worker,
)
from tests.fixtures.waiting import until

LINE = ("ingest#1", TOPIC)


@asynccontextmanager
async def served(
    producer: Database, folder: Path, role: str = "service"
) -> AsyncIterator[tuple[FastAPI, HttpLogSource]]:
    """Serve the producer's log by its real route, and give a consumer's way to it."""
    keys_file = folder / "keys.json"
    key, entry = issue_key(role, "profile")
    write_keys(keys_file, [entry])
    app = create_app(service="ingest", keys=KeyRing(keys_file), routers=[router])
    app.state.log = ServedLog(producer, "ingest", [TOPIC], PARTITIONS)
    transport = httpx.ASGITransport(app)
    async with service_client("http://ingest", SecretStr(key), transport=transport) as client:
        yield app, HttpLogSource(client)


async def test_an_old_head_compared_late_is_no_fork(producer: Database, consumer: Database) -> None:
    """While one line is filled the board hears of everybody again; others are compared with the older heads."""
    source = DirectSource(producer)
    subject = subject_in(0)
    async with partition_runner(consumer, source) as runner:
        await say(producer, [page_view(subject) for _ in range(5)])
        await number_all(producer)
        await runner.board.poll()
        (line, old_head), *_ = runner.board.of(0).items()
        await say(producer, [page_view(subject) for _ in range(5)])
        await number_all(producer)
        await runner._fill(line, 10)
        await runner.board.poll()
        await runner._compare(line, old_head, at_end=False)
    assert await forked_reason(consumer, 0) is None
    assert len(await facts(consumer)) == 10


async def restore_to(producer: Database, partition: int, seq: int) -> None:
    """Put one partition back to an older state, as a restored back-up would: what came after is gone."""
    await producer.execute(
        "WITH gone AS (DELETE FROM numbered WHERE partition = $1 AND seq > $2 RETURNING event_id)"
        " DELETE FROM events WHERE event_id IN (SELECT event_id FROM gone)",
        partition,
        seq,
    )
    await producer.execute("UPDATE watermarks SET published_seq = $2 WHERE partition = $1", partition, seq)


async def forked_reason(consumer: Database, partition: int) -> str | None:
    reason: str | None = await consumer.fetchval(
        "SELECT forked_reason FROM positions WHERE partition = $1", partition
    )
    return reason


def forks() -> float:
    return REGISTRY.get_sample_value("consumer_forks_total", {"service": "profile"}) or 0.0


@pytest.mark.broker
@pytest.mark.parametrize(
    ("restored_to", "said_since"),
    [(10, 0), (10, 5), (10, 10), (10, 25)],
    ids=["shorter", "still-shorter", "as-long", "longer"],
)
async def test_a_restored_producer_stops_its_line_with_an_alarm_and_the_others_flow(
    producer: Database,
    consumer: Database,
    private_broker: Broker,
    tmp_path: Path,
    restored_to: int,
    said_since: int,
) -> None:
    servers = private_broker.bootstrap_servers
    forked, sound = subject_in(0), subject_in(1)
    async with served(producer, tmp_path) as (_, log_source):
        async with running(
            lead(numberer(producer, servers)), consume(worker(consumer, producer, servers, source=log_source))
        ):
            first = await say(producer, [page_view(subject) for subject in (forked, sound) for _ in range(20)])
            await until(lambda: _applied(consumer, first), 20)
        before, alarms = await facts(consumer), forks()

        await restore_to(producer, 0, restored_to)
        await say(producer, [page_view(forked) for _ in range(said_since)])
        with capture_logs() as logs:
            async with running(
                lead(numberer(producer, servers)), consume(worker(consumer, producer, servers, source=log_source))
            ):
                await until(lambda: _is_forked(consumer, 0), 20)
                flowing = await say(producer, [page_view(sound) for _ in range(30)])
                later = await say(producer, [page_view(forked) for _ in range(30)])
                await until(lambda: _applied(consumer, flowing), 20)
                await until(lambda: _published(producer, 0, restored_to + said_since + 30), 20)

    assert await facts(consumer) == before | flowing
    assert not later & await facts(consumer)
    assert forks() == alarms + 1
    assert any((line["event"], line["log_level"]) == ("worker.log_forked", "critical") for line in logs)
    assert await forked_reason(consumer, 1) is None


async def _applied(consumer: Database, events: set[UUID]) -> bool:
    return events <= await facts(consumer)


async def _is_forked(consumer: Database, partition: int) -> bool:
    return await forked_reason(consumer, partition) is not None


async def _published(producer: Database, partition: int, seq: int) -> bool:
    reached = await producer.fetchval("SELECT published_seq FROM watermarks WHERE partition = $1", partition)
    return bool(reached == seq)


async def said_and_numbered(producer: Database, count: int) -> Position:
    """Say events of partition 0; return the position of who has applied all of them."""
    subject = subject_in(0)
    await say(producer, [page_view(subject) for _ in range(count)])
    await number_all(producer)
    row = await producer.fetchrow("SELECT seq, event_id FROM numbered WHERE partition = 0 ORDER BY seq DESC LIMIT 1")
    assert row is not None
    return Position(*LINE, 0, last_seq=row["seq"], last_event_id=row["event_id"])


async def test_the_served_log_gives_what_was_stored(producer: Database, tmp_path: Path) -> None:
    await said_and_numbered(producer, 12)
    async with served(producer, tmp_path) as (_, log_source):
        origin, heads = await log_source.heads()
        page = await log_source.after(Position(*LINE, 0), events_max=5)
        rest = await log_source.after(position_after(page))
    assert (origin, heads) == ("ingest#1", {(TOPIC, 0): Head(numbered=12, published=0)})
    assert [each.seq for each in (*page, *rest)] == list(range(1, 13))
    stored = await producer.fetch("SELECT body FROM numbered JOIN events USING (event_id) ORDER BY seq")
    assert [each.body for each in (*page, *rest)] == [row["body"] for row in stored]


def position_after(page: list[Incoming]) -> Position:
    return Position(*LINE, 0, last_seq=page[-1].seq, last_event_id=page[-1].event_id)


async def test_the_served_log_answers_409_to_who_has_seen_another_event(producer: Database, tmp_path: Path) -> None:
    position = await said_and_numbered(producer, 5)
    async with served(producer, tmp_path) as (_, log_source):
        assert await log_source.after(position) == []
        with pytest.raises(ForkedError, match="log_forked"):
            await log_source.after(Position(*LINE, 0, last_seq=5, last_event_id=uuid4()))
        with pytest.raises(ForkedError, match="log_forked"):
            await log_source.after(Position(*LINE, 0, last_seq=9, last_event_id=position.last_event_id))


async def test_the_served_log_knows_its_topics_and_partitions(producer: Database, tmp_path: Path) -> None:
    async with served(producer, tmp_path) as (_, log_source):
        unknown = await log_source.client.get("/v1/log/no.such.topic/0")
        beyond = await log_source.client.get(f"/v1/log/{TOPIC}/{PARTITIONS}")
        with pytest.raises(ProducerAwayError, match="404"):
            await log_source.after(Position("ingest#1", "no.such.topic", 0))
    assert (unknown.status_code, unknown.json()["code"]) == (404, "topic_not_found")
    assert (beyond.status_code, beyond.json()["code"]) == (422, "invalid_input")


async def test_the_served_log_is_for_those_with_its_scope(producer: Database, tmp_path: Path) -> None:
    async with served(producer, tmp_path, role="store") as (_, log_source):
        refused = await log_source.client.get("/v1/log/heads")
        anonymous = await log_source.client.get("/v1/log/heads", headers={"Authorization": ""})
    assert (refused.status_code, anonymous.status_code) == (403, 401)


async def test_rule_11_the_served_log_lets_four_read_at_once_and_sends_others_away(
    producer: Database, tmp_path: Path
) -> None:
    async with served(producer, tmp_path) as (app, log_source):
        async with asyncio.TaskGroup() as readers:
            leaving = asyncio.Event()
            for _ in range(READERS_MAX):
                readers.create_task(_read(app, leaving))
            await until(lambda: asyncio.sleep(0, app.state.log.places_left == 0), 5)
            refused = await log_source.client.get(f"/v1/log/{TOPIC}/0")
            heads = await log_source.client.get("/v1/log/heads")
            leaving.set()
        assert (refused.status_code, refused.headers["Retry-After"]) == (429, "1")
        assert heads.status_code == 200, "how far the log goes must be told while others read it"
        assert (await log_source.client.get(f"/v1/log/{TOPIC}/0")).status_code == 200


async def test_a_reader_that_was_sent_away_asks_again() -> None:
    answers = iter([httpx.Response(429), httpx.Response(200, json={"origin": "ingest#1", "heads": []})])
    transport = httpx.MockTransport(lambda _: next(answers))
    async with service_client("http://ingest", SecretStr("x"), transport=transport) as client:
        assert await HttpLogSource(client).heads() == ("ingest#1", {})


async def test_a_log_that_sends_readers_away_for_seconds_counts_as_away(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("shared.worker.source.BUSY_SECONDS", 0.001)
    transport = httpx.MockTransport(lambda _: httpx.Response(429))
    async with service_client("http://ingest", SecretStr("x"), transport=transport) as client:
        with pytest.raises(ProducerAwayError, match="429"):
            await HttpLogSource(client).heads()


async def _read(app: FastAPI, leaving: asyncio.Event) -> None:
    async with app.state.log.reading():
        await leaving.wait()


async def test_a_page_is_bounded_by_bytes_and_never_empty(
    producer: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    position = await said_and_numbered(producer, 10)
    reader = LogReader(producer, "ingest")
    size = len((await reader.after(TOPIC, 0, 0, 1))[0].body)
    monkeypatch.setattr("shared.log.reader.PAGE_BYTES_MAX", 3 * size)
    assert [row.seq for row in await reader.after(TOPIC, 0, 0, 100)] == [1, 2, 3]
    monkeypatch.setattr("shared.log.reader.PAGE_BYTES_MAX", 1)
    assert [row.seq for row in await reader.after(TOPIC, 0, 7, 100)] == [8]
    assert await reader.after(TOPIC, 0, position.last_seq, 100) == []


async def test_something_else_at_the_producers_address_is_a_producer_that_is_away() -> None:
    """An empty page would mean a fork; a welcome page must not."""
    transport = httpx.MockTransport(lambda _: httpx.Response(200, text="<html>\nwelcome</html>\n"))
    async with service_client("http://ingest", SecretStr("x"), transport=transport) as client:
        with pytest.raises(ProducerAwayError, match="not the answer of a log"):
            await HttpLogSource(client).heads()
        with pytest.raises(ProducerAwayError, match="not the answer of a log"):
            await HttpLogSource(client).after(Position(*LINE, 0))

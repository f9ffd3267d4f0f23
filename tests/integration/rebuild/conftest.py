"""A live service by name, on a database of its own that has applied a history."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from services.ingest.app import MIGRATIONS as LOG_MIGRATIONS
from shared import migrations
from shared.db import Database
from tests.integration.rebuild.history import examples, history, segment_news
from tests.integration.rebuild.world import Living, living, say, service_of

_copies = itertools.count(1)


@pytest.fixture(scope="session")
def patterns() -> dict[str, str]:
    """Databases that the tests' own are copied from: making one takes longer than most tests."""
    return {}


@pytest.fixture
def log_dsn(postgres: EmbeddedPostgres, patterns: dict[str, str]) -> Iterator[str]:
    """A database with the producers' log, filled with the history that every test begins with."""
    if "log" not in patterns:
        dsn = postgres.create_database("rebuild_log", owner="tester")
        migrations.upgrade(dsn, LOG_MIGRATIONS)
        asyncio.run(_say_history(dsn))
        patterns["log"] = "rebuild_log"
    yield from _copy(postgres, patterns["log"])


@pytest.fixture
def live_dsn(request: pytest.FixtureRequest, postgres: EmbeddedPostgres, patterns: dict[str, str]) -> Iterator[str]:
    name: str = request.getfixturevalue("service_name")
    if name not in patterns:
        migrations.upgrade(postgres.create_database(f"rebuild_{name}", owner="tester"), service_of(name).migrations)
        patterns[name] = f"rebuild_{name}"
    yield from _copy(postgres, patterns[name])


@pytest.fixture
async def live(service_name: str, live_dsn: str, log_dsn: str, tmp_path: Path) -> AsyncIterator[Living]:
    """The service named by the test's `service_name`, which has applied the history."""
    async with living(service_name, live_dsn, log_dsn, tmp_path) as service:
        await service.catch_up()
        yield service


async def _say_history(dsn: str) -> None:
    producer = await Database.connect(dsn, application="tests")
    try:
        await say(producer, [*history(1, 150), *segment_news(1, 20), *examples()])
    finally:
        await producer.close()


def _copy(server: EmbeddedPostgres, pattern: str) -> Iterator[str]:
    name = f"rebuild_copy_{next(_copies)}"
    server.query(f"CREATE DATABASE {name} OWNER tester TEMPLATE {pattern}")
    try:
        yield server.create_database(name, owner="tester")
    finally:
        server.drop_database(name)

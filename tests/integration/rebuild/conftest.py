"""A live service by name, on a database of its own that has applied a history."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from services.ingest.app import MIGRATIONS as LOG_MIGRATIONS
from shared import migrations
from shared.db import Database
from tests.integration.rebuild.history import examples, history, segment_news
from tests.integration.rebuild.world import Living, living, say, service_of

_copies = itertools.count(1)


@dataclass
class Patterns:
    """Databases that the tests' own are copied from, made when first asked for: that takes longer than most tests."""

    server: EmbeddedPostgres
    made: set[str] = field(default_factory=set)

    def log(self) -> str:
        """Return the name of a producers' log, filled with the history that every test begins with."""
        name = "rebuild_log"
        if name not in self.made:
            dsn = self.server.create_database(name, owner="tester")
            migrations.upgrade(dsn, LOG_MIGRATIONS)
            asyncio.run(_say_history(dsn))
            self.made.add(name)
        return name

    def live(self, service_name: str, folder: Path) -> str:
        """Return the name of a service's database that has applied that history."""
        name = f"rebuild_{service_name}"
        if name not in self.made:
            dsn = self.server.create_database(name, owner="tester")
            migrations.upgrade(dsn, service_of(service_name).migrations)
            asyncio.run(_apply_history(service_name, dsn, self.server.dsn("tester", self.log()), folder))
            self.made.add(name)
        return name


@pytest.fixture(scope="session")
def patterns_by_server() -> dict[int, Patterns]:
    return {}


@pytest.fixture
def patterns(postgres: EmbeddedPostgres, patterns_by_server: dict[int, Patterns]) -> Patterns:
    return patterns_by_server.setdefault(postgres.port, Patterns(postgres))


@pytest.fixture
def log_dsn(patterns: Patterns) -> Iterator[str]:
    """A database with the producers' log."""
    yield from _copy(patterns.server, patterns.log())


@pytest.fixture
def live_dsn(service_name: str, patterns: Patterns, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    yield from _copy(patterns.server, patterns.live(service_name, tmp_path_factory.mktemp("pattern")))


@pytest.fixture
async def live(service_name: str, live_dsn: str, log_dsn: str, tmp_path: Path) -> AsyncIterator[Living]:
    """The service named by the test's `service_name`, which has applied the history."""
    async with living(service_name, live_dsn, log_dsn, tmp_path) as service:
        assert await service.behind() == 0
        yield service


async def _apply_history(service_name: str, dsn: str, log_dsn: str, folder: Path) -> None:
    async with living(service_name, dsn, log_dsn, folder) as service:
        await service.catch_up()


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

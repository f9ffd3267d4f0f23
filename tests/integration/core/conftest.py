"""Two databases, of a producer and of a consumer, and processes on them to be killed and frozen."""

from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from shared.db import Database
from tests.faults.harness import Child, python
from tests.fixtures.core_tables import core_database
from tests.fixtures.postgres import fresh_database
from tests.fixtures.processes.core_process import Orders

Spawn = Callable[..., Child]


@pytest.fixture(scope="session")
def postgres(durable_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """The server that these tests share: they kill what is connected to it."""
    return durable_postgres


@pytest.fixture(scope="session")
def producer_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    """One database for all tests, emptied before each: making one takes longer than most tests."""
    yield from fresh_database(postgres)


@pytest.fixture(scope="session")
def consumer_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    yield from fresh_database(postgres)


@pytest.fixture
async def producer(producer_dsn: str) -> AsyncIterator[Database]:
    async with core_database(producer_dsn) as database:
        yield database


@pytest.fixture
async def consumer(consumer_dsn: str) -> AsyncIterator[Database]:
    async with core_database(consumer_dsn) as database:
        yield database


@pytest.fixture
def spawn(tmp_path: Path, producer_dsn: str, consumer_dsn: str) -> Iterator[Spawn]:
    """Start a core process by role and holder; it is killed after the test."""
    children: list[Child] = []
    modules = {"service": "tests.fixtures.processes.service_process"}

    def start(role: str, holder: str, **more: Any) -> Child:
        database = producer_dsn if role == "leader" else consumer_dsn
        orders = Orders(role, holder, database, producer=producer_dsn, **more)
        module = modules.get(role, "tests.fixtures.processes.core_process")
        child = Child(holder, python(module, orders.to_json()), tmp_path)
        children.append(child)
        child.start()
        return child

    try:
        yield start
    finally:
        for child in children:
            child.kill()

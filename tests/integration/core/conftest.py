"""Two databases: of a producer and of a consumer."""

from collections.abc import AsyncIterator, Iterator

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from shared.db import Database
from tests.fixtures.core import core_database
from tests.fixtures.postgres import fresh_database


@pytest.fixture
def other_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    yield from fresh_database(postgres)


@pytest.fixture
async def producer(database_dsn: str) -> AsyncIterator[Database]:
    async with core_database(database_dsn) as database:
        yield database


@pytest.fixture
async def consumer(other_dsn: str) -> AsyncIterator[Database]:
    async with core_database(other_dsn) as database:
        yield database

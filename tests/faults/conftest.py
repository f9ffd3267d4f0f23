"""Deployments of the real services to be hurt."""

import tempfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from tests.faults.deployment import ALL_SERVICES, Deployment, deployed
from tests.faults.harness import drawn_seed
from tests.faults.tills import Book, Till, tills
from tests.fixtures.brokers import Broker, note_use


@dataclass(frozen=True)
class Shop:
    """All five services, their broker, and tills whose book goes on from test to test."""

    deployment: Deployment
    broker: Broker
    seed: int
    book: Book
    tills: Sequence[Till]


@pytest.fixture(scope="session")
def postgres(durable_postgres: EmbeddedPostgres) -> EmbeddedPostgres:
    """The server that these tests share: they kill what is connected to it."""
    return durable_postgres


@pytest.fixture(scope="session")
def deployment_folder(suite_folder: Path) -> Callable[[], Path]:
    return lambda: Path(tempfile.mkdtemp(prefix="deployment ", dir=suite_folder))


@pytest.fixture(scope="package")
def open_shop(
    postgres: EmbeddedPostgres, deployment_folder: Callable[[], Path], any_package_broker: Broker
) -> Iterator[Shop]:
    """One for all tests on a broker: ten processes take long to start, and one book holds what all of them sold."""
    seed = drawn_seed(f"the shop on {any_package_broker.name}")
    book = Book()
    servers = any_package_broker.bootstrap_servers
    with deployed(ALL_SERVICES, deployment_folder(), postgres, servers) as deployment:
        yield Shop(deployment, any_package_broker, seed, book, tills(book, seed))


@pytest.fixture
def shop(open_shop: Shop) -> Shop:
    note_use(open_shop.broker)
    return open_shop

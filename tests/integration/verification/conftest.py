"""An honest chain on real databases, of which each test forges a copy."""

import asyncio
import itertools
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from importlib import import_module
from pathlib import Path

import pytest

from regulars.credentials import Credentials
from regulars.embedded.postgres import EmbeddedPostgres
from regulars.folder import DataFolder
from regulars.verification.checks import SERVICES
from shared import migrations
from shared.db import Database
from tests.integration.verification.chain import Chain, make_honest

_copies = itertools.count(1)


@dataclass
class Books:
    """The databases of a chain, and a data folder whose credentials name them. What is forged is a copy."""

    server: EmbeddedPostgres
    folder: DataFolder
    honest: dict[str, str]
    copies: dict[str, str] = field(default_factory=dict)

    def forge(self, service: str, *statements: str) -> None:
        """Change one service's database behind its back."""
        if service not in self.copies:
            name = f"forged_{next(_copies)}"
            self.server.query(f"CREATE DATABASE {name} OWNER tester TEMPLATE {self.honest[service]}")
            self.copies[service] = name
        for statement in statements:
            self.server.query(statement, database=self.copies[service])
        self.write_credentials()

    def addresses(self) -> dict[str, str]:
        names = self.honest | self.copies
        return {service: self.server.create_database(name, owner="tester") for service, name in names.items()}

    def write_credentials(self) -> None:
        addresses = self.addresses()
        Credentials("key", "key", "key", {}, addresses, "127.0.0.1:1").write(self.folder.credentials_file)


@pytest.fixture(scope="module")
def honest(postgres: EmbeddedPostgres) -> Iterator[dict[str, str]]:
    """The names of the five databases of an honest chain."""
    names = {service: f"honest_{service}" for service in SERVICES}
    dsns = {service: postgres.create_database(name, owner="tester") for service, name in names.items()}
    for service, dsn in dsns.items():
        migrations.upgrade(dsn, import_module(f"services.{service}.app").MIGRATIONS)
    asyncio.run(_filled(dsns))
    try:
        yield names
    finally:
        for name in names.values():
            postgres.drop_database(name)


async def _filled(dsns: dict[str, str]) -> None:
    async with AsyncExitStack() as stack:
        chain: Chain = {}
        for service, dsn in dsns.items():
            chain[service] = await Database.connect(dsn, application="tests")
            stack.push_async_callback(chain[service].close)
        await make_honest(chain)


@pytest.fixture
def books(postgres: EmbeddedPostgres, honest: dict[str, str], tmp_path: Path) -> Iterator[Books]:
    books = Books(postgres, DataFolder.of(tmp_path), honest)
    books.write_credentials()
    try:
        yield books
    finally:
        for name in books.copies.values():
            postgres.drop_database(name)

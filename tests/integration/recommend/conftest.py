"""Recommend's real application and handlers on a real PostgreSQL, reached in process."""

import base64
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from regulars.embedded.postgres import EmbeddedPostgres
from services.recommend.app import MIGRATIONS, build_api
from services.recommend.consumer import subscription
from services.recommend.handlers.answers import Desk
from services.recommend.settings import Settings
from services.recommend.tables import metadata
from shared import migrations
from shared.db import Database
from shared.events import Envelope
from shared.keys import issue_key, write_keys
from tests.fixtures.postgres import empty_tables
from tests.fixtures.small_nets import small_nets  # noqa: F401 - a fixture
from tests.integration.recommend.events import IDENTITY_KEY, PARTITIONS


@dataclass
class Running:
    """An application that runs: its client, its database and its keys."""

    client: httpx.AsyncClient
    database: Database
    app: FastAPI
    settings: Settings
    admin_key: str
    store_key: str

    @property
    def desk(self) -> Desk:
        desk: Desk = self.app.state.desk
        return desk

    async def apply(self, *events: Envelope[Any]) -> None:
        """Apply events as one batch, and have the process know of them."""
        await apply(self.database, events)
        await self.desk.following.look()

    async def refresh(self) -> None:
        await self.desk.live.refresh()

    async def post(self, path: str, body: Any, key: str | None = None, **headers: str) -> httpx.Response:
        return await self.client.post(path, json=body, headers=self._headers(key, headers))

    async def get(self, path: str, key: str | None = None, **headers: str) -> httpx.Response:
        return await self.client.get(path, headers=self._headers(key, headers))

    async def recommend(self, placement: str = "for-you", **body: Any) -> dict[str, Any]:
        answer = await self.post(f"/v1/recommendations/{placement}", body)
        assert answer.status_code == 200, answer.text
        found: dict[str, Any] = answer.json()
        return found

    def _headers(self, key: str | None, headers: dict[str, str]) -> dict[str, str]:
        return {"Authorization": f"Bearer {key or self.admin_key}", **headers}


async def apply(database: Database, events: Sequence[Envelope[Any]]) -> None:
    """Apply events as one batch of the worker would."""
    async with database.transaction() as tx:
        await subscription(PARTITIONS).dispatch(tx, events)


def recommend_settings(dsn: str, folder: Path) -> tuple[Settings, str, str]:
    """Return settings, an administrator's key and one of store S01."""
    admin_key, admin = issue_key("administrator", "tests")
    store_key, store = issue_key("store", "till 3", store_ids=["S01"])
    write_keys(folder / "keys.json", [admin, store])
    identity_key = base64.b64encode(IDENTITY_KEY).decode()
    settings = Settings.model_validate(
        {
            "database_url": dsn,
            "bootstrap_servers": "127.0.0.1:1",
            "port": 8003,
            "keys_file": folder / "keys.json",
            "service_key": "unused",
            "peers": {"ingest": "http://127.0.0.1:1"},
            "data_dir": folder,
            "currency": "CNY",
            "time_zone": "Asia/Shanghai",
            "partitions": PARTITIONS,
            "identity_keys": {"loyalty_card": identity_key, "user_id": identity_key},
            # Generous: the machine that runs the tests may be busy, and only some tests are about haste.
            "history_timeout_seconds": 5.0,
            "wait_seconds": 10.0,
            "refresh_seconds": 3600,
            "model_check_seconds": 0.05,
            "shown_flush_seconds": 60,
        }
    )
    return settings, admin_key, store_key


@pytest.fixture
def private_dsn(private_postgres: EmbeddedPostgres) -> str:
    """The DSN of a migrated database on a server that the test may stop."""
    dsn = private_postgres.create_database("recommend", owner="tester")
    migrations.upgrade(dsn, MIGRATIONS)
    return dsn


@pytest.fixture(scope="module")
def migrated_dsn(module_database_dsn: str) -> str:
    """The DSN of a migrated database; the tests of a module share it and find it empty."""
    migrations.upgrade(module_database_dsn, MIGRATIONS)
    return module_database_dsn


@pytest.fixture
async def migrated(migrated_dsn: str) -> AsyncIterator[Database]:
    """A pool on the service's migrated, empty database."""
    database = await Database.connect(migrated_dsn, application="tests")
    try:
        await empty_tables(database, [table for table in metadata.tables if table != "log_origin"])
        yield database
    finally:
        await database.close()


@pytest.fixture
async def recommend(migrated_dsn: str, migrated: Database, tmp_path: Path) -> AsyncIterator[Running]:
    settings, admin_key, store_key = recommend_settings(migrated_dsn, tmp_path)
    app = build_api(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://recommend") as client:
            yield Running(client, migrated, app, settings, admin_key, store_key)

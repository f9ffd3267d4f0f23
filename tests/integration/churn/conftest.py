"""A migrated database of the churn service, its registry, and its API called in process."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from regulars.embedded.postgres import EmbeddedPostgres
from services.churn.app import MIGRATIONS, build_api, registry_of
from services.churn.settings import Settings
from services.churn.store.scores import OFFLINE
from shared import migrations
from shared.clock import FixedClock
from shared.db import Database
from shared.keys import issue_key, write_keys
from shared.registry import Registry
from tests.fixtures.postgres import fresh_database
from tests.integration.churn.shops import NOW, empty


@pytest.fixture(scope="module")
def churn_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    for dsn in fresh_database(postgres):
        migrations.upgrade(dsn, MIGRATIONS)
        yield dsn


@pytest.fixture
async def database(churn_dsn: str) -> AsyncIterator[Database]:
    """The churn service's database, emptied."""
    database = await Database.connect(churn_dsn, application="tests", limits=OFFLINE)
    try:
        await empty(database)
        yield database
    finally:
        await database.close()


@pytest.fixture
def settings(churn_dsn: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=SecretStr(churn_dsn),
        bootstrap_servers="127.0.0.1:1",
        port=1,
        keys_file=tmp_path / "keys.json",
        service_key=SecretStr("rgl_none"),
        data_dir=tmp_path,
        currency="USD",
        time_zone="America/New_York",
        score_wait_seconds=120,
    )


@pytest.fixture
def registry(settings: Settings) -> Registry:
    return registry_of(settings)


@dataclass
class Api:
    """The application, a caller with an administrator's key, and the parts a test may turn."""

    app: FastAPI
    client: httpx.AsyncClient
    clock: FixedClock
    analyst_key: str
    store_key: str

    async def get(self, path: str, language: str = "en", **params: object) -> httpx.Response:
        return await self.client.get(path, params=params, headers={"Accept-Language": language})  # type: ignore[arg-type]

    async def post(self, path: str, body: object = None, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key}"} if key else {}
        return await self.client.post(path, json={} if body is None else body, headers=headers)


@pytest.fixture
async def api(settings: Settings, database: Database) -> AsyncIterator[Api]:
    administrator_key, administrator = issue_key("administrator", "owner")
    analyst_key, analyst = issue_key("analyst", "Ada")
    store_key, store = issue_key("marketer", "store S1", store_ids=["S1"])
    write_keys(settings.keys_file, [administrator, analyst, store])
    app = build_api(settings)
    client = httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://churn",
        headers={"Authorization": f"Bearer {administrator_key}"},
    )
    async with app.router.lifespan_context(app), client:
        clock = FixedClock(NOW)
        app.state.clock = clock
        yield Api(app, client, clock, analyst_key, store_key)

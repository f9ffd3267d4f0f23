"""Ingest's real application on a real PostgreSQL, reached in process."""

import base64
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from regulars.embedded.postgres import EmbeddedPostgres
from services.ingest.app import MIGRATIONS, VAULT_MIGRATIONS, build_api, hooks, put_sources
from services.ingest.settings import Settings
from shared import migrations
from shared.db import Database
from shared.events import Envelope, decode
from shared.keys import digest, issue_key, new_key, write_keys
from shared.log.numberer import NumberingHook
from tests.fixtures.postgres import empty_tables, fresh_database
from tests.integration.ingest.numbering import number_all

DEPLOYMENT_KEY = base64.b64encode(bytes(range(32))).decode()


@dataclass
class Keys:
    """The keys of one test's deployment."""

    admin: str
    store: str
    write_key: str
    web_write_key: str


@dataclass
class Running:
    """An application that runs: its client, its database, its vault and its keys."""

    client: httpx.AsyncClient
    database: Database
    vault: Database
    keys: Keys
    settings: Settings
    app: FastAPI

    async def post(self, path: str, body: Any, key: str | None = None) -> httpx.Response:
        headers = {"Authorization": f"Bearer {key or self.keys.admin}"}
        return await self.client.post(path, json=body, headers=headers)

    async def get(self, path: str, **params: Any) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.keys.admin}"}
        return await self.client.get(path, headers=headers, params=params)

    async def results(self, path: str, body: Any, key: str | None = None) -> list[dict[str, Any]]:
        answer = await self.post(path, body, key)
        assert answer.status_code == 200, answer.text
        results: list[dict[str, Any]] = answer.json()["results"]
        return results

    async def send(self, path: str, body: Any, write_key: str | None = None) -> httpx.Response:
        """Send as an analytics client does, with the secret source's key unless another is given."""
        return await self.client.post(path, json=body, auth=(write_key or self.keys.write_key, ""))

    async def envelopes(self) -> list[Envelope[Any]]:
        """Return every stored event, in the order of arrival."""
        rows = await self.database.fetch(
            "SELECT body FROM events LEFT JOIN unnumbered USING (event_id)"
            " LEFT JOIN numbered USING (event_id) ORDER BY arrival, seq, stored_at"
        )
        return [decode(row["body"]) for row in rows]

    async def envelopes_said(self) -> list[Envelope[Any]]:
        """Return the events whose content is still there."""
        rows = await self.database.fetch("SELECT body FROM events WHERE body <> ''")
        return [decode(row["body"]) for row in rows]

    @property
    def hook(self) -> NumberingHook:
        """What runs inside numbering: erasures, then links."""
        return hooks(self.settings, self.app.state.ingest.secrets, self.app.state.clock)

    async def number(self, hook: NumberingHook | None = None) -> None:
        """Number everything that waits, as the worker does, but without a broker."""
        await number_all(self.database, self.hook if hook is None else hook)

    async def count(self, table: str) -> int:
        found: int = await self.database.fetchval(f"SELECT count(*) FROM {table}")
        return found


@dataclass(frozen=True)
class Migrated:
    """Two migrated databases, used by one test after the other."""

    dsn: str
    vault_dsn: str


@pytest.fixture(scope="session")
def migrated(postgres: EmbeddedPostgres) -> Iterator[Migrated]:
    for dsn in fresh_database(postgres):
        for vault_dsn in fresh_database(postgres):
            migrations.upgrade(dsn, MIGRATIONS)
            migrations.upgrade(vault_dsn, VAULT_MIGRATIONS)
            yield Migrated(dsn, vault_dsn)


@pytest.fixture
def keys() -> Keys:
    return Keys("", "", new_key(), new_key())


@pytest.fixture
def settings(migrated: Migrated, tmp_path: Path, keys: Keys) -> Settings:
    """Settings of a migrated, empty ingest."""
    keys.admin, admin_entry = issue_key("administrator", "tests")
    keys.store, store_entry = issue_key("store", "till 3", store_ids=["S01"])
    write_keys(tmp_path / "keys.json", [admin_entry, store_entry])
    return Settings.model_validate(
        {
            "database_url": migrated.dsn,
            "vault_database_url": migrated.vault_dsn,
            "bootstrap_servers": "127.0.0.1:1",
            "port": 8001,
            "keys_file": tmp_path / "keys.json",
            "service_key": "unused",
            "data_dir": tmp_path,
            "currency": "CNY",
            "time_zone": "Asia/Shanghai",
            "deployment_key": DEPLOYMENT_KEY,
            "bootstrap_sources": [
                {"id": "shop-server", "kind": "server", "digest": digest(keys.write_key)},
                {"id": "shop-web", "kind": "web", "digest": digest(keys.web_write_key)},
            ],
        }
    )


async def emptied(dsn: str) -> None:
    """Empty every table but the migrations' own."""
    database = await Database.connect(dsn, application="tests")
    try:
        tables = await database.fetch(
            "SELECT quote_ident(tablename) AS name FROM pg_tables WHERE schemaname = 'public'"
            " AND tablename <> 'alembic_version' AND tablename NOT LIKE '%\\_part\\_%'"
        )
        await empty_tables(database, [row["name"] for row in tables])
    finally:
        await database.close()


@pytest.fixture
async def ingest(settings: Settings, keys: Keys) -> AsyncIterator[Running]:
    await emptied(settings.database_url.get_secret_value())
    await emptied(settings.vault_database_url.get_secret_value())
    await put_sources(settings)
    app = build_api(settings)
    async with app.router.lifespan_context(app):
        transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://ingest") as client:
            state = app.state.ingest
            yield Running(client, state.database, state.vault._database, keys, settings, app)


def receipt(number: int = 1, **changes: Any) -> dict[str, Any]:
    """A sale as a till sends it."""
    return {
        "store_id": "S01",
        "terminal_id": "T3",
        "business_date": "2026-03-01",
        "sequence_number": number,
        "kind": "sale",
        "occurred_at": f"2026-03-01T09:{number % 60:02}:44+08:00",
        "currency": "CNY",
        "identifiers": [{"namespace": "loyalty_card", "value": "6001234567"}],
        "lines": [
            {
                "line_number": 1,
                "product_id": "P100",
                "quantity": "2",
                "unit_price_minor": 500,
                "amount_minor": 900,
                "discounts": [{"kind": "coupon", "code": "SPRING", "amount_minor": 100}],
            },
        ],
        "tenders": [{"kind": "cash", "amount_minor": 900}],
        "training": False,
        "returns_of": None,
        **changes,
    }

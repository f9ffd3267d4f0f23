"""All five services, each on a migrated database of its own, and the least settings that it starts with."""

import base64
import importlib
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from regulars.embedded.postgres import EmbeddedPostgres
from shared import migrations
from shared.db import Database
from shared.keys import issue_key, write_keys
from shared.service import Service, Work
from shared.settings import ServiceSettings
from tools.service_settings import SERVICES

KEY = base64.b64encode(bytes(range(32))).decode()
IDENTITY_KEYS = {"loyalty_card": KEY, "user_id": KEY}
NOBODY = "127.0.0.1:1"
NAMES = SERVICES


def service(name: str) -> Service[Any]:
    found: Service[Any] = importlib.import_module(f"services.{name}.app").SERVICE
    return found


@dataclass(frozen=True)
class Ready:
    """One service, migrated; nothing of it runs yet."""

    service: Service[Any]
    settings: ServiceSettings
    key: str


@dataclass(frozen=True)
class Served:
    """An application whose lifespan has begun, and two clients: one with an administrator's key, one without."""

    app: FastAPI
    client: httpx.AsyncClient
    stranger: httpx.AsyncClient


@pytest.fixture(scope="session")
def made() -> dict[str, Ready]:
    """The services made ready in this run, by name."""
    return {}


@pytest.fixture
def ready(
    request: pytest.FixtureRequest,
    made: dict[str, Ready],
    postgres: EmbeddedPostgres,
    tmp_path_factory: pytest.TempPathFactory,
) -> Ready:
    """The service named by the parameter: `@pytest.mark.parametrize("ready", NAMES, indirect=True)`."""
    name: str = request.param
    if name not in made:
        made[name] = _ready(name, postgres, tmp_path_factory.mktemp(name))
    return made[name]


def _ready(name: str, postgres: EmbeddedPostgres, folder: Path) -> Ready:
    found = service(name)
    key, entry = issue_key("administrator", "tests")
    write_keys(folder / "keys.json", [entry])
    settings = found.settings.model_validate(
        {
            "database_url": postgres.create_database(f"contract_{name}", owner="tester"),
            "vault_database_url": postgres.create_database(f"contract_{name}_vault", owner="tester"),
            "bootstrap_servers": NOBODY,
            "port": 1,
            "keys_file": folder / "keys.json",
            "service_key": "unused",
            "peers": dict.fromkeys(NAMES, f"http://{NOBODY}"),
            "data_dir": folder,
            "currency": "USD",
            "time_zone": "America/New_York",
            "deployment_key": KEY,
            "identity_keys": IDENTITY_KEYS,
        }
    )
    migrations.upgrade(settings.database_url.get_secret_value(), found.migrations)
    if found.prepare is not None:
        found.prepare(settings)
    return Ready(found, settings, key)


@pytest.fixture
async def work(ready: Ready) -> AsyncIterator[tuple[Database, Work]]:
    """What the service's worker does, and the database that it does it on."""
    database = await Database.connect(ready.settings.database_url.get_secret_value(), application="tests")
    try:
        async with ready.service.work(ready.settings, database) as opened:
            yield database, opened
    finally:
        await database.close()


@pytest.fixture
async def served(ready: Ready) -> AsyncIterator[Served]:
    """The service's application, in process."""
    app = ready.service.api(ready.settings)
    transport = httpx.ASGITransport(app=app, raise_app_exceptions=False)
    headers = {"Authorization": f"Bearer {ready.key}"}
    async with (
        app.router.lifespan_context(app),
        httpx.AsyncClient(transport=transport, base_url="http://service", headers=headers) as client,
        httpx.AsyncClient(transport=transport, base_url="http://service") as stranger,
    ):
        yield Served(app, client, stranger)

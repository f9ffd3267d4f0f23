"""A migrated database of the profile service, and its API called in process."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import pytest
from fastapi import FastAPI
from pydantic import SecretStr

from regulars.embedded.postgres import EmbeddedPostgres
from services.profile.app import MIGRATIONS, build_api
from services.profile.clients import Relations
from services.profile.settings import Settings
from shared import migrations
from shared.clock import FixedClock
from shared.customers.resolver import SubjectResolver
from shared.db import Database
from shared.http.peer import Answer, PeerAway
from shared.keys import issue_key, write_keys
from tests.fixtures.asking import says
from tests.fixtures.postgres import fresh_database
from tests.integration.profile.histories import NOON, empty


@pytest.fixture(scope="module")
def profile_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    for dsn in fresh_database(postgres):
        migrations.upgrade(dsn, MIGRATIONS)
        yield dsn


@pytest.fixture
async def database(profile_dsn: str) -> AsyncIterator[Database]:
    """The profile's database, emptied."""
    database = await Database.connect(profile_dsn, application="tests")
    try:
        await empty(database)
        yield database
    finally:
        await database.close()


@dataclass
class FakeIngest:
    """Answers `POST /v1/subjects:resolve` and `GET /v1/subjects/{id}/relations` as told: or with a status."""

    subjects: dict[tuple[str, str], str] = field(default_factory=dict)
    relations: dict[str, list[dict[str, str]]] = field(default_factory=dict)
    status: int = 200
    asked: list[dict[str, str]] = field(default_factory=list)

    async def ask(self, method: str, path: str, document: object = None) -> Answer:
        if self.status == 0:
            raise PeerAway("no answer")
        if method == "GET" and self.status == 200:
            known = self.relations.get(path.split("/")[3])
            told = {"code": "identity_not_found"} if known is None else {"relations": known}
            return says(told, 404 if known is None else 200)
        if isinstance(document, dict):
            self.asked.append(document)
        if self.status != 200:
            return says({"message": "phone: is not a phone number; send digits"}, self.status)
        asked = self.asked[-1]
        found = self.subjects.get((asked["namespace"], asked["value"]))
        return says({"subject_id": found or "00000000-0000-5000-8000-00000000dead"})


@dataclass
class Api:
    """The application, a caller with an administrator's key, and the parts a test may turn."""

    app: FastAPI
    client: httpx.AsyncClient
    clock: FixedClock
    ingest: FakeIngest
    store_key: str
    analyst_key: str

    async def get(self, path: str, **params: object) -> httpx.Response:
        return await self.client.get(path, params={key: str(value) for key, value in params.items()})


@pytest.fixture
def settings(profile_dsn: str, tmp_path: Path) -> Settings:
    return Settings(
        database_url=SecretStr(profile_dsn),
        bootstrap_servers="127.0.0.1:1",
        port=1,
        keys_file=tmp_path / "keys.json",
        service_key=SecretStr("rgl_none"),
        peers={"ingest": "http://127.0.0.1:1"},
        data_dir=tmp_path,
        currency="USD",
        time_zone="America/New_York",
    )


@pytest.fixture
async def api(settings: Settings, database: Database) -> AsyncIterator[Api]:
    administrator_key, administrator = issue_key("administrator", "owner")
    store_key, store = issue_key("store", "store S1", store_ids=["S1"])
    analyst_key, analyst = issue_key("analyst", "Ada")
    write_keys(settings.keys_file, [administrator, store, analyst])
    app = build_api(settings)
    ingest = FakeIngest()
    caller = httpx.AsyncClient(
        transport=httpx.ASGITransport(app),
        base_url="http://profile",
        headers={"Authorization": f"Bearer {administrator_key}"},
    )
    async with app.router.lifespan_context(app), caller:
        clock = FixedClock(NOON)
        app.state.clock = clock
        app.state.resolver = SubjectResolver("profile", ingest, "/value")
        app.state.relations = Relations(ingest)
        yield Api(app, caller, clock, ingest, store_key, analyst_key)

"""What holds for the service as a whole: its tables, its routes, its document, and its error answers."""

from pathlib import Path

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from services.ingest.api import direct_routes
from services.ingest.app import MIGRATIONS, VAULT_MIGRATIONS, build_api, prepare
from services.ingest.settings import Settings
from services.ingest.tables import metadata, vault_metadata
from shared import migrations
from shared.db import Database
from shared.http.auth import api_routes, assert_every_route_has_scope
from tests.fixtures.postgres import fresh_database
from tests.fixtures.twins import ODD_BODIES, both_ways
from tests.integration.ingest.conftest import Migrated, Running

pytestmark = pytest.mark.postgres


def test_the_migrations_make_the_tables_that_the_code_declares(migrated: Migrated) -> None:
    migrations.check(migrated.dsn, MIGRATIONS)
    migrations.check(migrated.vault_dsn, VAULT_MIGRATIONS)


def test_every_table_says_what_a_rebuild_does_with_it() -> None:
    for table in (*metadata.tables.values(), *vault_metadata.tables.values()):
        assert table.info["class"] in {"derived", "computed", "owned"}, table.name


async def test_every_route_declares_who_may_call_it(ingest: Running) -> None:
    assert_every_route_has_scope(ingest.app)


async def test_every_direct_route_has_a_documented_twin(ingest: Running) -> None:
    documented = {route.path for route in api_routes(ingest.app) if "POST" in (route.methods or ())}
    direct = direct_routes().paths
    assert direct
    assert direct <= documented


@pytest.mark.parametrize(("body", "headers", "status"), ODD_BODIES)
async def test_an_odd_identifier_is_refused_directly_as_by_its_twin(
    ingest: Running, body: bytes, headers: dict[str, str], status: int
) -> None:
    direct, twin = await both_ways(ingest.app, "/v1/subjects:resolve", body, ingest.keys.admin, headers)
    assert (direct.status_code, direct.json()) == (twin.status_code, twin.json())
    assert direct.status_code == status


@pytest.mark.parametrize("value", ['"139 1234 5678"', '"call me"', "13912345678", '"null"'])
async def test_an_identifier_is_resolved_directly_as_by_its_twin(ingest: Running, value: str) -> None:
    body = f'{{"namespace": "phone", "value": {value}}}'.encode()
    json = {"Content-Type": "application/json; charset=UTF-8"}
    for key in (ingest.keys.admin, ingest.keys.store, "rgl_none"):
        direct, twin = await both_ways(ingest.app, "/v1/subjects:resolve", body, key, json)
        assert (direct.status_code, direct.content) == (twin.status_code, twin.content)
        assert direct.headers["content-type"] == twin.headers["content-type"]


async def test_every_native_route_answers_a_stranger_in_the_one_shape(ingest: Running) -> None:
    for route in api_routes(ingest.app):
        path = route.path or ""
        if path.startswith(("/health", "/metrics", "/docs", "/v1/projects")):
            continue
        for method in (route.methods or set()) - {"HEAD", "OPTIONS"}:
            answer = await ingest.client.request(method, path.replace("{", "").replace("}", ""), json={})
            assert answer.status_code == 401, (route.path, answer.text)
            assert {"type", "title", "status", "detail", "code", "message", "request_id", "errors"} <= set(
                answer.json()
            )


async def test_the_document_is_complete(ingest: Running) -> None:
    document = ingest.app.openapi()
    assert "$defs" not in str(document["paths"])
    for path, methods in document["paths"].items():
        for method, operation in methods.items():
            assert operation.get("summary"), (method, path)
            if method == "post" and not path.endswith((":disable", ":enable")):
                assert operation["requestBody"]["content"], path


async def test_ready_means_that_the_database_is_at_head(ingest: Running) -> None:
    assert (await ingest.client.get("/health/ready")).status_code == 200


def test_migrating_twice_and_preparing_twice_changes_nothing(
    postgres: EmbeddedPostgres, settings: Settings, tmp_path: Path
) -> None:
    for dsn in fresh_database(postgres):
        for vault_dsn in fresh_database(postgres):
            fresh = settings.model_copy(
                update={
                    "database_url": type(settings.database_url)(dsn),
                    "vault_database_url": type(settings.database_url)(vault_dsn),
                }
            )
            for _ in range(2):
                migrations.upgrade(dsn, MIGRATIONS)
                prepare(fresh)


async def test_keys_are_partitioned(ingest: Running) -> None:
    database: Database = ingest.database
    parts = await database.fetchval("SELECT count(*) FROM pg_inherits WHERE inhparent = 'dedup_keys'::regclass")
    assert parts == 16


def test_building_the_application_opens_nothing(settings: Settings) -> None:
    assert build_api(settings).title == "Regulars ingest"

"""A wrong link that was taken back leaves no trace: every consumer's derived tables are as if it had never been."""

import asyncio
import base64
import importlib
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import MetaData

from regulars.embedded.postgres import EmbeddedPostgres
from services.ingest.handlers.accepting.acceptor import Acceptor
from shared import migrations
from shared.db import Database
from shared.events import Envelope
from shared.identity import BlindIndexKeys
from shared.service import Service
from tests.fixtures.postgres import fresh_database
from tests.integration.ingest.conftest import DEPLOYMENT_KEY, Running, emptied, receipt
from tests.integration.ingest.test_deciding import BECAUSE, OTHER_CARD, asked, decided
from tests.integration.ingest.test_identities import CARD, PHONE, resolved

pytestmark = pytest.mark.postgres
CONSUMERS = ("profile", "recommend", "churn", "campaign")
MAIL = {"namespace": "email", "value": "li@example.com"}
Tables = dict[str, list[str]]


async def told(ingest: Running, *, wrongly: bool) -> list[Envelope[Any]]:
    """Tell a history, with a wrong link that is taken back or without; return all its events."""
    await emptied(ingest.settings.database_url.get_secret_value())
    await emptied(ingest.settings.vault_database_url.get_secret_value())
    ingest.app.state.ingest.vault._kept.clear()
    acceptor: Acceptor = ingest.app.state.ingest.acceptor.inner._accept.__self__
    acceptor.lately._stored.clear()
    await ingest.database.execute(
        "INSERT INTO log_origin (service, incarnation) VALUES ('ingest', 1) ON CONFLICT DO NOTHING"
    )
    await receipts(ingest, (1, [CARD, PHONE]), (2, [MAIL]), (3, [OTHER_CARD]))
    customer = {
        "message_id": "crm-1",
        "occurred_at": "2026-03-01T12:00:00Z",
        "identifiers": [PHONE, MAIL] if wrongly else [PHONE],
        "attributes": {"city": "Wuhan"},
        "consents": [{"channel": "email", "purpose": "marketing", "state": "granted"}],
    }
    (result,) = await ingest.results("/v1/customers", customer)
    assert result["status"] == "accepted"
    await receipts(ingest, (4, [CARD]), (5, [MAIL, OTHER_CARD]), (6, [PHONE]))
    if wrongly:
        assert (await resolved(ingest, MAIL))["customer_id"] != (await resolved(ingest, OTHER_CARD))["customer_id"]
        await decided(
            ingest,
            f"/v1/identities/{(await resolved(ingest, CARD))['customer_id']}:unmerge",
            {"event_id": await said_by_crm(ingest), **BECAUSE},
        )
    await receipts(ingest, (7, [MAIL]), (8, [CARD, PHONE]))
    return await ingest.envelopes()


async def said_by_crm(ingest: Running) -> str:
    found = await ingest.get("/v1/events/crm-1")
    event_id: str = found.json()["event_id"]
    return event_id


async def receipts(ingest: Running, *said: tuple[int, list[dict[str, str]]]) -> None:
    for number, identifiers in said:
        await ingest.results("/v1/receipts", receipt(number, identifiers=identifiers))
        await ingest.number()


def settings_of(service: Service[Any], dsn: str, folder: Path) -> Any:
    """Return what a service is told here; the keys are those of ingest's callers."""
    keys = BlindIndexKeys.from_deployment_key(base64.b64decode(DEPLOYMENT_KEY))
    return service.settings.model_validate(
        {
            "database_url": dsn,
            "bootstrap_servers": "127.0.0.1:1",
            "port": 1,
            "keys_file": folder / "keys.json",
            "service_key": "unused",
            "peers": {"ingest": "http://127.0.0.1:1", "profile": "http://127.0.0.1:1"},
            "data_dir": folder,
            "currency": "CNY",
            "time_zone": "Asia/Shanghai",
            "identity_keys": {
                namespace: base64.b64encode(keys.namespace_key(namespace)).decode()
                for namespace in ("loyalty_card", "user_id")
            },
        }
    )


@asynccontextmanager
async def consumer(name: str, postgres: EmbeddedPostgres, folder: Path) -> AsyncIterator[tuple[Database, Any]]:
    """Open what a service's worker does, on an empty database of its own."""
    service: Service[Any] = importlib.import_module(f"services.{name}.app").SERVICE
    for dsn in fresh_database(postgres):
        settings = settings_of(service, dsn, folder)
        await asyncio.to_thread(migrations.upgrade, dsn, service.migrations)
        async with AsyncExitStack() as stack:
            database = await Database.connect(dsn, application="tests")
            stack.push_async_callback(database.close)
            work = await stack.enter_async_context(service.work(settings, database))
            yield database, work.subscription


async def derived(name: str, database: Database) -> Tables:
    """Return every row of every derived table, but for the versions of assignments, which only count them."""
    metadata: MetaData = importlib.import_module(f"services.{name}.tables").metadata
    found: Tables = {}
    for table in metadata.sorted_tables:
        if table.info["class"] == "derived" and table.name not in {"positions", "dead_letters"}:
            rows = await database.fetch(f"SELECT * FROM {table.name}")
            found[table.name] = sorted(repr(_without_versions(dict(row))) for row in rows)
    return found


def _without_versions(row: dict[str, Any]) -> dict[str, Any]:
    return {column: value for column, value in row.items() if column not in {"version", "masked_version"}}


async def applied(
    name: str, postgres: EmbeddedPostgres, folder: Path, batches: Sequence[Sequence[Envelope[Any]]]
) -> Tables:
    async with consumer(name, postgres, folder) as (database, subscription):
        for batch in batches:
            async with database.transaction() as tx:
                await subscription.dispatch(tx, batch)
        return await derived(name, database)


async def test_an_unmerge_restores_every_services_derived_tables_byte_for_byte(
    ingest: Running, postgres: EmbeddedPostgres, tmp_path: Path
) -> None:
    without = await told(ingest, wrongly=False)
    taken_back = await told(ingest, wrongly=True)
    decisions = [one for one in taken_back if one.type == "IdentityDecided"]
    assert len(taken_back) > len(without)
    assert len(decisions) == 1
    for name in CONSUMERS:
        expected = await applied(name, postgres, tmp_path, [[event] for event in without])
        found = await applied(name, postgres, tmp_path, [[event] for event in taken_back])
        at_once = await applied(name, postgres, tmp_path, [list(reversed(taken_back))])
        assert any(expected.values()), name
        assert found == expected, name
        assert at_once == expected, name


async def test_the_wrong_link_did_show_before_it_was_taken_back(ingest: Running) -> None:
    await receipts(ingest, (1, [CARD, PHONE]), (2, [MAIL]))
    await ingest.results("/v1/customers", {"identifiers": [PHONE, MAIL], "attributes": {}})
    await ingest.number()
    card = await resolved(ingest, CARD)
    assert (await resolved(ingest, MAIL))["customer_id"] == card["customer_id"]
    body = {"subject_ids": [(await resolved(ingest, MAIL))["subject_id"]], **BECAUSE}
    answer = await asked(ingest, f"/v1/identities/{card['customer_id']}:unmerge", body)
    assert answer.json()["moved"] == 1

"""One person in all five running services: known, objecting, exported, erased, and nowhere in the clear.

The person's phone, e-mail, card and name are canaries: they are looked for in every table of every database, in all
logs, metrics and traces, after every route has been called, with errors.
"""

import asyncio
import re
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from uuid import uuid4

import httpx
import pytest

from regulars.embedded.broker import EmbeddedBroker
from regulars.embedded.postgres import EmbeddedPostgres
from shared.db import Database
from tests.faults.deployment import ALL_SERVICES, Deployment, deployed
from tests.faults.harness import measure
from tests.fixtures.spans import Collector, collecting

pytestmark = [pytest.mark.postgres, pytest.mark.broker]

CARD, PHONE, EMAIL, NAME = "6007001122334", "13988887777", "canary.zhang@example.com", "Zhang Canary"
CANARIES = (CARD, PHONE, EMAIL, NAME)
CARD_ID = {"namespace": "loyalty_card", "value": CARD}
PHONE_ID = {"namespace": "phone", "value": PHONE}
EMAIL_ID = {"namespace": "email", "value": EMAIL}
CONSUMERS = tuple(name for name in ALL_SERVICES if name != "ingest")
Ask = Callable[[], Awaitable[bool]]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("deployment of one person")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    with collecting() as collector:
        yield collector


@pytest.fixture(scope="module")
def deployment(
    postgres: EmbeddedPostgres, embedded_broker: EmbeddedBroker, folder: Path, collector: Collector
) -> Iterator[Deployment]:
    traced = {f"{name.upper()}_{key}": text for name in ALL_SERVICES for key, text in traces_to(collector).items()}
    with deployed(ALL_SERVICES, folder, postgres, embedded_broker.bootstrap_servers, traced) as running:
        yield running


def traces_to(collector: Collector) -> dict[str, str]:
    return {"TRACES_URL": collector.url, "TRACES_SHARE": "1"}


async def until(asked: Ask, what: str, seconds: float = 60.0) -> float:
    """Wait for a condition; return how long it took."""
    started = time.monotonic()
    while not await asked():
        assert time.monotonic() - started < seconds, f"waited {seconds:.0f} s for {what}"
        await asyncio.sleep(0.1)
    return time.monotonic() - started


def sale(number: int, *identifiers: dict[str, str]) -> dict[str, Any]:
    now = datetime.now(UTC)
    line = {"line_number": 1, "product_id": "P1", "quantity": "1", "unit_price_minor": 900, "amount_minor": 900}
    return {
        "store_id": "S1", "terminal_id": "T1", "business_date": now.date().isoformat(), "sequence_number": number,
        "kind": "sale", "occurred_at": now.isoformat(), "currency": "USD", "identifiers": list(identifiers),
        "lines": [line], "tenders": [{"kind": "cash", "amount_minor": 900}],
    }  # fmt: skip


@dataclass(frozen=True)
class Chain:
    """The running services, their databases, and the one person in them."""

    deployment: Deployment
    clients: dict[str, httpx.AsyncClient]
    databases: dict[str, Database]

    async def post(self, service: str, path: str, body: Any, status: int = 200, **headers: str) -> Any:
        answer = await self.clients[service].post(path, json=body, headers=headers)
        assert answer.status_code == status, answer.text
        return answer.json()

    async def counts(self, table: str) -> list[int]:
        return [await self.databases[name].fetchval(f"SELECT count(*) FROM {table}") for name in CONSUMERS]


@pytest.fixture
async def chain(deployment: Deployment) -> AsyncIterator[Chain]:
    async with AsyncExitStack() as stack:
        clients = {name: await stack.enter_async_context(deployment.client(name)) for name in ALL_SERVICES}
        databases = {
            name: await Database.connect(dsn, application="tests") for name, dsn in deployment.databases.items()
        }
        for database in databases.values():
            stack.push_async_callback(database.close)
        yield Chain(deployment, clients, databases)


async def test_a_person_is_known_objects_is_exported_and_erased(
    chain: Chain, folder: Path, collector: Collector
) -> None:
    customer_id = await known(chain)
    await respected(chain, customer_id)
    await exported(chain)
    await every_route(chain.clients)
    await seen_nowhere(chain, folder)
    await erased(chain, customer_id)
    await seen_nowhere(chain, folder)
    await traced_nowhere(collector)


async def traced_nowhere(collector: Collector) -> None:
    """Look through all that was sent to the collector: names, attributes, events, errors, addresses of peers."""

    async def all_have_told() -> bool:
        told = {process for process, _ in collector.spans()}
        return told == {f"{name}-{role}" for name in ALL_SERVICES for role in ("api", "worker")}

    await until(all_have_told, "spans of every process")
    spans = collector.spans()
    assert {"POST /v1/receipts", "process profile", "GET /v1/exports/{export_id}"} <= {span.name for _, span in spans}
    linked = {link.trace_id for _, span in spans if span.name == "process profile" for link in span.links}
    assert linked & {span.trace_id for process, span in spans if process == "ingest-api"}
    for body in collector.bodies:
        not_in(body, "a span")


async def known(chain: Chain) -> str:
    """Have the person known in every service, with refused inputs and a complaint that name them."""
    person = {"identifiers": [CARD_ID, PHONE_ID, EMAIL_ID], "contact": {"name": NAME}, "attributes": {"size": 3}}
    await chain.post("ingest", "/v1/customers", person)
    await chain.post("ingest", "/v1/receipts", [sale(1, CARD_ID), sale(2, PHONE_ID), sale(3, CARD_ID, PHONE_ID)])
    await chain.post("ingest", "/v1/receipts", [{**sale(4, PHONE_ID), "kind": f"gift to {NAME}"}, sale(1, EMAIL_ID)])
    complaint = {"complaint_id": "c1", "channel": "store", "text": f"call {PHONE} or {EMAIL}"}
    await chain.post("ingest", "/v1/feedback", {"type": "complaint", "identifiers": [PHONE_ID], "data": complaint})

    async def all_know() -> bool:
        return await chain.counts("receipts") == [3, 3, 3, 3]

    await until(all_know, "three receipts in every service")
    customer_id: str = (await chain.post("ingest", "/v1/subjects:resolve", CARD_ID))["customer_id"]
    return customer_id


async def respected(chain: Chain, customer_id: str) -> None:
    """Withdraw personalisation, and see every service respect it within a minute."""
    objection = {"channel": "any", "purpose": "personalisation", "state": "withdrawn", "policy_version": "2026-1"}
    answer = await chain.post(
        "ingest", "/v1/consents", {"identifiers": [PHONE_ID], **objection, "evidence": "form 9"}
    )
    assert [one["status"] for one in answer["results"]] == ["accepted"]

    async def all_have_heard() -> bool:
        return await chain.counts("consents") == [1, 1, 1, 1]

    took = await until(all_have_heard, "the withdrawal in every service")
    measure("a withdrawal of consent in every service", took)
    churn = await chain.clients["churn"].get(f"/v1/customers/{customer_id}/churn")
    assert (churn.status_code, churn.json()["code"]) == (404, "profiling_refused")
    wish = {"customer_id": customer_id, "limit": 5}
    answer = await chain.post("recommend", "/v1/recommendations/for-you", wish)
    assert set(answer) >= {"request_id", "items", "fallback_level"}


async def exported(chain: Chain) -> None:
    """Export, and find what every service holds."""
    asked = await chain.post("ingest", "/v1/exports", {"identifier": EMAIL_ID, "purpose": "form 7"}, 202)
    shown: dict[str, Any] = {}

    async def is_made() -> bool:
        shown.update((await chain.clients["ingest"].get(f"/v1/exports/{asked['export_id']}")).json())
        return shown["document"] is not None

    await until(is_made, "the export")
    services = shown["document"]["services"]
    assert set(services) == set(ALL_SERVICES)
    for name in CONSUMERS:
        assert len(services[name]["tables"]["receipts"]) == 3, name
    for canary in (CARD, EMAIL, NAME):
        assert canary in str(services["ingest"]), canary


async def erased(chain: Chain, customer_id: str) -> None:
    """Erase, and see every service confirm within a minute what it no longer holds."""
    wish = {"identifier": PHONE_ID, "reason": "form 8", "requested_by": "customer"}
    headers = {"Idempotency-Key": str(uuid4())}
    path = f"/v1/erasures/{(await chain.post('ingest', '/v1/erasures', wish, 202, **headers))['erasure_id']}"

    async def is_confirmed() -> bool:
        return bool((await chain.clients["ingest"].get(path)).json()["state"] == "confirmed")

    took = await until(is_confirmed, "every service to confirm")
    measure("an erasure confirmed by every service", took)
    certificate = (await chain.clients["ingest"].get(f"{path}/certificate")).json()["certificate"]
    assert [one["service"] for one in certificate["services"]] == sorted(CONSUMERS)
    assert await chain.counts("receipts") == [3, 3, 3, 3]
    assert await chain.counts(f"receipts WHERE subject_id = '{customer_id}'") == [0, 0, 0, 0]
    assert await chain.counts("consents") == [0, 0, 0, 0]
    gone = await chain.clients["profile"].get(f"/v1/customers/{customer_id}")
    assert gone.status_code == 404, gone.text


async def every_route(clients: dict[str, httpx.AsyncClient]) -> None:
    """Call every route with canaries where something may be given, errors and all."""
    body = {"identifier": PHONE_ID, "value": EMAIL, "namespace": f"x{NAME}", "purpose": f"call {PHONE}"}
    for client in clients.values():
        document = (await client.get("/openapi.json")).json()
        for path, operations in document["paths"].items():
            for method in set(operations) - {"parameters"}:
                where = re.sub(r"{[^}]*}", EMAIL, path) if method == "get" else re.sub(r"{[^}]*}", str(uuid4()), path)
                options: dict[str, Any] = {} if method == "get" else {"json": body}
                answer = await client.request(method, where, **options, headers={"Idempotency-Key": str(uuid4())})
                assert answer.status_code < 500, f"{method} {where}: {answer.text[:300]}"


async def seen_nowhere(chain: Chain, folder: Path) -> None:
    for name, database in chain.databases.items():
        for (table,) in await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'"):
            for row in await database.fetch(f"SELECT * FROM {table}"):
                for column, value in row.items():
                    not_in(value if isinstance(value, bytes) else str(value).encode(), f"{name}.{table}.{column}")
    async with httpx.AsyncClient(trust_env=False) as client:
        for process, address in chain.deployment.addresses.items():
            not_in((await client.get(f"{address}/metrics")).content, f"metrics of {process}")
    files = await asyncio.to_thread(contents, folder)
    assert [name for name in files if name.endswith(".log")]
    for name, content in files.items():
        not_in(content, name)


def contents(folder: Path) -> dict[str, bytes]:
    """Return every file of the deployment: logs, the ledger of erasures, outboxes, keys."""
    found = {str(file.relative_to(folder)): file.read_bytes() for file in folder.rglob("*") if file.is_file()}
    return {name: content for name, content in found.items() if content}


def not_in(content: bytes, where: str) -> None:
    for canary in CANARIES:
        assert canary.encode() not in content, f"{canary} stands in {where}"

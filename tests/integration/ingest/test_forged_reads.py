"""What is forged with a public key changes no answer about its victim: asked over HTTP, of every service."""

import asyncio
import importlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from regulars.embedded.postgres import EmbeddedPostgres
from shared import migrations
from shared.clock import FixedClock
from shared.customers.resolver import SubjectResolver
from shared.db import Database
from shared.events import Envelope
from shared.service import Service
from tests.fixtures.asking import AskingApp
from tests.fixtures.postgres import fresh_database
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.test_forged_claims import VICTIM, forge, known_victim
from tests.integration.ingest.test_identities import resolved
from tests.integration.ingest.test_unmerge_everywhere import settings_of

pytestmark = pytest.mark.postgres
NOW = datetime(2026, 4, 1, 4, tzinfo=UTC)
VOLATILE = {"request_id", "recommendation_id", "computed_at", "model_version"}


@dataclass
class Opened:
    """A service's API and its worker's subscription, on one database."""

    app: FastAPI
    client: httpx.AsyncClient
    database: Database
    subscription: Any

    async def apply(self, events: Sequence[Envelope[Any]]) -> None:
        async with self.database.transaction() as tx:
            await self.subscription.dispatch(tx, events)

    async def read(self, method: str, path: str, body: Any = None) -> Any:
        answer = await self.client.request(method, path, json=body)
        assert answer.status_code in {200, 404}, answer.text
        return steady(answer.json())


def steady(answer: Any) -> Any:
    """Return an answer without what differs from one asking to the next."""
    if isinstance(answer, dict):
        return {name: steady(value) for name, value in answer.items() if name not in VOLATILE}
    return [steady(one) for one in answer] if isinstance(answer, list) else answer


@asynccontextmanager
async def opened(name: str, ingest: Running, postgres: EmbeddedPostgres, folder: Path) -> AsyncIterator[Opened]:
    service: Service[Any] = importlib.import_module(f"services.{name}.app").SERVICE
    for dsn in fresh_database(postgres):
        settings = settings_of(service, dsn, folder)
        await asyncio.to_thread(migrations.upgrade, dsn, service.migrations)
        async with AsyncExitStack() as stack:
            app = service.api(settings)
            await stack.enter_async_context(app.router.lifespan_context(app))
            app.state.clock = FixedClock(NOW)
            database = await Database.connect(dsn, application="tests")
            stack.push_async_callback(database.close)
            work = await stack.enter_async_context(service.work(settings, database))
            headers = {"Authorization": f"Bearer {ingest.keys.admin}"}
            client = httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url=f"http://{name}", headers=headers)
            yield Opened(app, await stack.enter_async_context(client), database, work.subscription)


Reads = Callable[[Opened, Running, str], Awaitable[list[Any]]]


async def profile_reads(profile: Opened, ingest: Running, customer_id: str) -> list[Any]:
    """Look the victim up by each identifier, as ingest resolves it, and read all that is shown of them."""
    asking = AskingApp(ingest.app, ingest.keys.admin)
    profile.app.state.resolver = SubjectResolver("profile", asking, "/value")
    found = [await profile.read("POST", "/v1/customers:lookup", one) for one in VICTIM]
    pages = ("", "/timeline", "/segments", "/consents")
    return found + [await profile.read("GET", f"/v1/customers/{customer_id}{page}") for page in pages]


async def recommend_reads(recommend: Opened, _ingest: Running, _customer_id: str) -> list[Any]:
    await recommend.app.state.desk.live.refresh()
    bodies = [{"identifier": one, "limit": 10} for one in VICTIM if one["namespace"] in {"loyalty_card", "user_id"}]
    return [await recommend.read("POST", "/v1/recommendations/for-you", body) for body in bodies]


async def churn_reads(churn: Opened, _ingest: Running, customer_id: str) -> list[Any]:
    return [await churn.read("GET", f"/v1/customers/{customer_id}/churn"), await churn.read("GET", "/v1/warnings")]


async def campaign_reads(campaign: Opened, _ingest: Running, customer_id: str) -> list[Any]:
    paths = (f"/v1/members/{customer_id}", f"/v1/coupons?customer_id={customer_id}")
    return [await campaign.read("GET", path) for path in paths]


READS: dict[str, Reads] = {
    "profile": profile_reads,
    "recommend": recommend_reads,
    "churn": churn_reads,
    "campaign": campaign_reads,
}


@pytest.mark.parametrize("name", READS)
async def test_nothing_forged_changes_an_answer_about_its_victim(
    ingest: Running, postgres: EmbeddedPostgres, tmp_path: Path, name: str
) -> None:
    await known_victim(ingest)
    customer_id = (await resolved(ingest, VICTIM[0]))["customer_id"]
    honest = await ingest.envelopes()
    async with opened(name, ingest, postgres, tmp_path) as service:
        await service.apply(honest)
        before = await READS[name](service, ingest, customer_id)
        assert before[0]["customer_id"] == customer_id
        await forge(ingest)
        told = {one.event_id for one in honest}
        await service.apply([one for one in await ingest.envelopes() if one.event_id not in told])
        assert await READS[name](service, ingest, customer_id) == before


async def test_nothing_forged_changes_what_ingest_answers_about_its_victim(ingest: Running) -> None:
    async def reads() -> list[Any]:
        found = [await resolved(ingest, one) for one in VICTIM]
        pages = ("", "/why", "/relations")
        return found + [
            (await ingest.get(f"/v1/identities/{found[0]['customer_id']}{page}")).json() for page in pages
        ]

    await known_victim(ingest)
    before = await reads()
    await forge(ingest)
    assert await reads() == before

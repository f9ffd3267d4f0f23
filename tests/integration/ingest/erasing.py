"""Erasing in tests: asked for, executed and swept as the worker does it, with services that answer as told."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID, uuid4

import httpx

from services.ingest.clients import HoldingPeer
from services.ingest.handlers.privacy.sweeping import Sweeping
from services.ingest.store import erasures as store
from tests.integration.ingest.conftest import Running

CARD = {"namespace": "loyalty_card", "value": "6001234567"}
PHONE = {"namespace": "phone", "value": "13912345678"}
SERVICES = ("profile", "recommend", "churn", "campaign")


@dataclass
class FakeService:
    """A service that has applied what it was told to have applied, or is away."""

    is_away: bool = False
    subject_ids: list[str] = field(default_factory=list)

    def answer(self, request: httpx.Request) -> httpx.Response:
        if self.is_away:
            raise httpx.ConnectError("away", request=request)
        applied_at = "2026-03-02T10:00:00Z" if self.subject_ids else None
        return httpx.Response(200, json={"subject_ids": self.subject_ids, "applied_at": applied_at})


@dataclass
class Services:
    """All services that confirm."""

    of: dict[str, FakeService] = field(default_factory=lambda: {name: FakeService() for name in SERVICES})

    def peers(self) -> dict[str, HoldingPeer]:
        return {
            name: HoldingPeer(httpx.AsyncClient(transport=httpx.MockTransport(one.answer), base_url=f"http://{name}"))
            for name, one in self.of.items()
        }

    def apply(self, subject_ids: list[UUID]) -> None:
        for one in self.of.values():
            one.subject_ids = [str(subject_id) for subject_id in subject_ids]


def sweeping(ingest: Running, services: Services | None = None) -> Sweeping:
    state = ingest.app.state.ingest
    peers = (services or Services()).peers()
    return Sweeping(ingest.database, state.vault, state.clock, SERVICES, peers)


async def ask(ingest: Running, key: str | None = None, **wish: Any) -> httpx.Response:
    body = {"reason": "asked for at the desk", "requested_by": "customer", **wish}
    headers = {"Authorization": f"Bearer {ingest.keys.admin}", "Idempotency-Key": key or str(uuid4())}
    return await ingest.client.post("/v1/erasures", json=body, headers=headers)


async def erase(ingest: Running, **wish: Any) -> dict[str, Any]:
    """Ask, number and sweep; every service confirms. Returns the erasure as it is shown then."""
    answer = await ask(ingest, **wish)
    assert answer.status_code == 202, answer.text
    erasure_id = UUID(answer.json()["erasure_id"])
    await ingest.number()
    services = Services()
    services.apply(await store.subjects_of_erasure(ingest.database, erasure_id))
    await sweeping(ingest, services).run()
    ingest.app.state.ingest.closed.forget_age()
    shown: dict[str, Any] = (await ingest.get(f"/v1/erasures/{erasure_id}")).json()
    return shown


async def customer_of(ingest: Running, identifier: dict[str, str]) -> str:
    answer = await ingest.post("/v1/subjects:resolve", identifier)
    found: str = answer.json()["customer_id"]
    return found

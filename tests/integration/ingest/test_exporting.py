"""Exporting a person: one call gives all, opened; it waits for every service, expires, and goes with the person."""

from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.ingest.clients import HoldingPeer
from services.ingest.handlers.exporting import Exporting
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.erasing import CARD, PHONE, SERVICES, customer_of, erase

pytestmark = pytest.mark.postgres


def exporting(ingest: Running, away: str | None = None) -> Exporting:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.host == away:
            raise httpx.ConnectError("away", request=request)
        assert request.url.params["purpose"] == "form 7"
        return httpx.Response(200, json={"customer_id": request.url.path.split("/")[3], "tables": {"receipts": [{}]}})

    peers = {
        name: HoldingPeer(httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url=f"http://{name}"))
        for name in SERVICES
    }
    state = ingest.app.state.ingest
    return Exporting(ingest.database, state.vault, state.clock, SERVICES, peers)


async def asked(ingest: Running, **who: Any) -> str:
    answer = await ingest.post("/v1/exports", {"purpose": "form 7", **who})
    assert answer.status_code == 202, answer.text
    export_id: str = answer.json()["export_id"]
    return export_id


async def person(ingest: Running) -> str:
    known = {"identifiers": [CARD, PHONE], "contact": {"name": "Chen Li"}, "attributes": {"size": 3}}
    await ingest.results("/v1/customers", known)
    gift = receipt(2, kind="gift", identifiers=[{"namespace": "phone", "value": "139 1234 5678"}])
    await ingest.results("/v1/receipts", [receipt(1, identifiers=[CARD]), gift])
    await ingest.number()
    return await customer_of(ingest, CARD)


async def test_one_call_gives_all_that_all_services_hold_opened(ingest: Running) -> None:
    customer_id = await person(ingest)
    export_id = await asked(ingest, identifier=PHONE)
    assert (await ingest.get(f"/v1/exports/{export_id}")).json()["state"] == "pending"
    await exporting(ingest).run()
    shown = (await ingest.get(f"/v1/exports/{export_id}")).json()
    document = shown["document"]
    assert (shown["state"], document["customer_id"]) == ("made", customer_id)
    assert set(document["services"]) == {*SERVICES, "ingest"}
    own = document["services"]["ingest"]
    assert {one["value"] for one in own["contacts"]} == {"6001234567", "+8613912345678", "Chen Li"}
    assert len(own["originals"]) == 2
    assert any("Chen Li" in one for one in own["originals"].values())
    assert len(own["refused_inputs"]) == 1
    types = sorted(one["type"] for one in own["tables"]["events"])
    assert types == ["AttributesChanged", "ReceiptRecorded", "SubjectAssigned", "SubjectAssigned"]
    assert len(own["tables"]["subjects"]) == 2


async def test_an_export_waits_for_a_service_that_is_away(ingest: Running) -> None:
    await person(ingest)
    export_id = await asked(ingest, identifier=CARD)
    await exporting(ingest, away="churn").run()
    assert (await ingest.get(f"/v1/exports/{export_id}")).json()["state"] == "pending"
    await exporting(ingest).run()
    assert (await ingest.get(f"/v1/exports/{export_id}")).json()["state"] == "made"


async def test_an_export_is_sealed_audited_and_goes_with_the_person(ingest: Running) -> None:
    customer_id = await person(ingest)
    export_id = await asked(ingest, customer_id=customer_id)
    await exporting(ingest).run()
    row = await ingest.database.fetchrow("SELECT * FROM exports")
    assert row is not None
    assert b"Chen Li" not in row["sealed"]
    (audit,) = await ingest.database.fetch("SELECT actor, purpose FROM reveals")
    assert (audit["actor"], audit["purpose"]) == ("tests", "form 7")
    await erase(ingest, customer_id=customer_id)
    gone = await ingest.get(f"/v1/exports/{export_id}")
    assert (gone.status_code, gone.json()["code"]) == (404, "export_not_found")
    assert await ingest.count("exports") == 0


async def test_an_export_expires(ingest: Running) -> None:
    await person(ingest)
    export_id = await asked(ingest, identifier=CARD)
    await exporting(ingest).run()
    await ingest.database.execute("UPDATE exports SET expires_at = requested_at")
    await exporting(ingest).run()
    assert (await ingest.get(f"/v1/exports/{export_id}")).status_code == 404


@pytest.mark.parametrize(
    ("who", "status", "code"),
    [
        ({"customer_id": str(uuid4())}, 404, "customer_not_found"),
        ({"identifier": PHONE}, 404, "customer_not_found"),
        ({}, 422, "invalid_input"),
        ({"customer_id": str(UUID(int=1)), "purpose": "for a@b.example"}, 422, "personal_text"),
    ],
)
async def test_an_export_that_cannot_be_made_says_why(
    ingest: Running, who: dict[str, Any], status: int, code: str
) -> None:
    answer = await ingest.post("/v1/exports", {"purpose": "form 7", **who})
    assert (answer.status_code, answer.json()["code"]) == (status, code)

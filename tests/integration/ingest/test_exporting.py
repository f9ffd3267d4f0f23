"""Exporting a person: one call gives all, opened; it waits for every service, expires, and goes with the person."""

import asyncio
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.ingest import metrics
from services.ingest.clients import HoldingPeer
from services.ingest.handlers.privacy.exporting import Exporting
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.erasing import CARD, PHONE, SERVICES, customer_of, erase

pytestmark = pytest.mark.postgres

OTHER_CARD = {"namespace": "loyalty_card", "value": "6009999999"}


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


async def test_services_are_asked_at_once_so_that_an_export_waits_as_long_as_the_slowest(ingest: Running) -> None:
    await person(ingest)
    export_id = await asked(ingest, identifier=CARD)
    all_asked = asyncio.Barrier(len(SERVICES))

    async def answer(_: httpx.Request) -> httpx.Response:
        async with asyncio.timeout(10):
            await all_asked.wait()
        return httpx.Response(200, json={"tables": {}})

    exports = exporting(ingest)
    peers = {
        name: HoldingPeer(httpx.AsyncClient(transport=httpx.MockTransport(answer), base_url=f"http://{name}"))
        for name in SERVICES
    }
    await replace(exports, peers=peers).run()
    assert (await ingest.get(f"/v1/exports/{export_id}")).json()["state"] == "made"


async def test_an_export_waits_for_a_service_whose_address_nobody_knows(ingest: Running) -> None:
    await person(ingest)
    export_id = await asked(ingest, identifier=CARD)
    knowing = exporting(ingest)
    faults = metrics.INGEST_BESIDE_FAILURES.labels("exports")
    before = faults._value.get()
    await replace(knowing, peers={name: peer for name, peer in knowing.peers.items() if name != "churn"}).run()
    assert (await ingest.get(f"/v1/exports/{export_id}")).json()["state"] == "pending"
    assert faults._value.get() == before


async def test_an_export_that_cannot_be_made_holds_up_no_other(ingest: Running) -> None:
    await person(ingest)
    await ingest.results("/v1/customers", {"identifiers": [OTHER_CARD]})
    export_ids = [await asked(ingest, identifier=identifier) for identifier in (CARD, CARD, OTHER_CARD)]
    # Something that nobody thought of: a body that is no JSON.
    await ingest.database.execute(
        "UPDATE events SET body = 'nonsense' WHERE event_id IN (SELECT event_id FROM numbered WHERE key = $1)",
        await customer_of(ingest, CARD),
    )
    await exporting(ingest).run()
    states = [(await ingest.get(f"/v1/exports/{export_id}")).json()["state"] for export_id in export_ids]
    assert states == ["pending", "pending", "made"]


async def test_a_made_export_is_unreadable_once_the_customers_key_is_gone(ingest: Running) -> None:
    customer_id = UUID(await person(ingest))
    export_id = await asked(ingest, identifier=CARD)
    await exporting(ingest).run()
    await ingest.app.state.ingest.vault.destroy([customer_id])
    answer = await ingest.get(f"/v1/exports/{export_id}")
    assert (answer.status_code, answer.json()["code"]) == (404, "export_not_found")


async def test_contact_data_whose_key_was_lost_and_made_anew_is_left_out(ingest: Running) -> None:
    """A vault from an older back-up lacks the keys of later subjects; the next event makes other ones."""
    customer_id = UUID(await person(ingest))
    vault = ingest.app.state.ingest.vault
    await vault.destroy([customer_id])
    await vault.keys_for([customer_id])
    export_id = await asked(ingest, identifier=PHONE)
    await exporting(ingest).run()
    document = (await ingest.get(f"/v1/exports/{export_id}")).json()["document"]
    assert {one["value"] for one in document["services"]["ingest"]["contacts"]} == {"+8613912345678"}
    revealed = await ingest.post("/v1/contacts:reveal", {"customer_ids": [str(customer_id)], "purpose": "a parcel"})
    assert revealed.status_code == 200
    assert [one["value"] for one in revealed.json()["customers"][0]["contacts"]] == ["+8613912345678"]
    assert (await erase(ingest, customer_id=str(customer_id)))["state"] == "confirmed"


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

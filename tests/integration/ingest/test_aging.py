"""Identifiers that change hands, and receipts whose strongest identifier is in quarantine."""

from typing import Any
from uuid import uuid4

import pytest

from shared.events.customers import IdentityDecidedV1
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.test_deciding import OTHER_CARD, decided, said_together
from tests.integration.ingest.test_identities import CARD, EMAIL, PHONE, dump, resolved

pytestmark = pytest.mark.postgres
BECAUSE = {"reason": "the cashier's own"}


async def said_at(ingest: Running, at: str, number: int, *identifiers: dict[str, str]) -> str:
    fields: dict[str, Any] = {"business_date": at, "occurred_at": f"{at}T10:00:00+08:00"}
    (result,) = await ingest.results("/v1/receipts", receipt(number, identifiers=list(identifiers), **fields))
    assert result["status"] == "accepted", result
    await ingest.number()
    message_id: str = result["message_id"]
    return message_id


async def test_a_phone_that_was_silent_and_comes_with_another_card_was_issued_again(ingest: Running) -> None:
    await said_at(ingest, "2025-01-10", 1, CARD, PHONE)
    before = await resolved(ingest, PHONE)
    await said_at(ingest, "2025-12-10", 2, OTHER_CARD, PHONE)
    after = await resolved(ingest, PHONE)
    assert after["subject_id"] != before["subject_id"]
    assert after["customer_id"] == (await resolved(ingest, OTHER_CARD))["subject_id"]
    past = (await ingest.get(f"/v1/identities/{before['subject_id']}")).json()
    assert past["customer_id"] == (await resolved(ingest, CARD))["subject_id"]
    (shown,) = [
        one
        for one in (await ingest.get(f"/v1/identities/{after['subject_id']}")).json()["subjects"]
        if one["namespace"] == "phone"
    ]
    assert shown["generation"] == 1
    (told,) = [one.data for one in await ingest.envelopes() if isinstance(one.data, IdentityDecidedV1)]
    assert (told.decision, told.actor) == ("reissued", "rule")


async def test_the_new_holder_of_a_number_can_be_written_to(ingest: Running) -> None:
    await said_at(ingest, "2025-01-10", 1, CARD, PHONE)
    await said_at(ingest, "2025-12-10", 2, OTHER_CARD, PHONE)
    customer_id = (await resolved(ingest, OTHER_CARD))["customer_id"]
    answer = await ingest.post("/v1/contacts:reveal", {"customer_ids": [customer_id], "purpose": "call back"})
    contacts = {one["field"]: one["value"] for one in answer.json()["customers"][0]["contacts"]}
    assert contacts["phone"] == "+8613912345678"


@pytest.mark.parametrize(
    ("at", "identifiers"),
    [
        pytest.param("2025-05-10", [OTHER_CARD, PHONE], id="not silent for long"),
        pytest.param("2025-12-10", [CARD, PHONE], id="their own card"),
        pytest.param("2025-12-10", [PHONE], id="nobody else named"),
        pytest.param("2025-12-10", [OTHER_CARD, PHONE, EMAIL], id="their own e-mail beside a new card"),
        pytest.param("2024-01-10", [OTHER_CARD, PHONE], id="a late receipt from before"),
    ],
)
async def test_a_phone_stays_whose_it_was(ingest: Running, at: str, identifiers: list[dict[str, str]]) -> None:
    await said_at(ingest, "2025-01-10", 1, CARD, PHONE, EMAIL)
    before = await resolved(ingest, PHONE)
    await said_at(ingest, at, 2, *identifiers)
    assert (await resolved(ingest, PHONE))["subject_id"] == before["subject_id"]


async def test_a_phone_that_is_used_does_not_age(ingest: Running) -> None:
    await said_at(ingest, "2025-01-10", 1, CARD, PHONE)
    before = await resolved(ingest, PHONE)
    for number, at in enumerate(["2025-05-10", "2025-09-10"], start=2):
        await said_at(ingest, at, number, PHONE)
    await said_at(ingest, "2025-12-10", 9, OTHER_CARD, PHONE)
    assert (await resolved(ingest, PHONE))["subject_id"] == before["subject_id"]


async def test_a_phone_without_a_customer_is_not_issued_again(ingest: Running) -> None:
    await said_at(ingest, "2025-01-10", 1, PHONE)
    before = await resolved(ingest, PHONE)
    await said_at(ingest, "2025-12-10", 2, CARD, PHONE)
    assert (await resolved(ingest, PHONE))["subject_id"] == before["subject_id"]


async def test_a_receipt_of_a_quarantined_card_is_the_next_identifiers(ingest: Running) -> None:
    await said_together(ingest, 1, CARD)
    card = await resolved(ingest, CARD)
    await decided(ingest, f"/v1/identities/{card['subject_id']}:quarantine", BECAUSE)
    ingest.app.state.ingest.held.forget()
    await said_together(ingest, 2, CARD, PHONE)
    await said_together(ingest, 3, CARD)
    phone = await resolved(ingest, PHONE)
    *_, second, third = [one for one in await ingest.envelopes() if one.type == "ReceiptRecorded"]
    assert (str(second.subject_id), second.subject_kind) == (phone["subject_id"], "identified")
    assert [str(one) for one in second.data.other_subject_ids] == [card["subject_id"]]
    assert third.subject_kind == "guest"
    assert [str(one) for one in third.data.other_subject_ids] == [card["subject_id"]]


async def test_a_renamed_account_is_one_customer_though_two_accounts_are_not(ingest: Running) -> None:
    async def identify(number: int, user_id: str) -> None:
        message = {
            "type": "identify",
            "messageId": f"m{number}",
            "userId": user_id,
            "traits": {"phone": "13912345678"},
        }
        assert (await ingest.send("/v1/batch", {"batch": [message]})).status_code == 200
        await ingest.number()

    async def customer(user_id: str) -> str:
        found: str = (await resolved(ingest, {"namespace": "user_id", "value": user_id}))["customer_id"]
        return found

    await identify(1, "u-1")
    await identify(2, "u-2")
    assert await customer("u-1") != await customer("u-2")
    alias = {"type": "alias", "messageId": "m3", "userId": "u-2", "previousId": "u-1"}
    assert (await ingest.send("/v1/batch", {"batch": [alias]})).status_code == 200
    await ingest.number()
    assert await customer("u-1") == await customer("u-2")


PAN = "4111111111111111"
COMPLAINT = {"complaint_id": "c", "channel": "store", "text": "late"}
TOKEN = {"namespace": "card_token", "value": PAN}


async def test_a_payment_cards_number_is_refused_on_every_route_and_kept_nowhere(ingest: Running) -> None:
    bodies: dict[str, Any] = {
        "/v1/receipts": receipt(1, identifiers=[TOKEN]),
        "/v1/customers": {"identifiers": [CARD, TOKEN], "attributes": {}},
        "/v1/consents": {"identifiers": [TOKEN], "channel": "email", "purpose": "marketing", "state": "granted"},
        "/v1/feedback": {"type": "complaint", "identifiers": [TOKEN], "data": COMPLAINT},
    }  # fmt: skip
    for path, body in bodies.items():
        (result,) = await ingest.results(path, body)
        assert (result["status"], result["code"]) == ("refused", "card_number"), path
        assert PAN not in str(result)
    (broken,) = await ingest.results("/v1/receipts", receipt(2, identifiers=[TOKEN], kind="gift"))
    assert (broken["status"], broken["code"]) == ("refused", "invalid_field")
    claim: dict[str, Any] = {"message_id": str(uuid4()), "identifier": TOKEN}
    claim["proof"] = {"total_minor": 1, "business_date": "2026-03-01"}
    for path, body in {"/v1/subjects:resolve": TOKEN, "/v1/identities/claims": claim}.items():
        answer = await ingest.post(path, body)
        assert (answer.status_code, answer.json()["code"]) == (422, "invalid_identifier")
        assert PAN not in answer.text
    for database in (ingest.database, ingest.vault):
        assert not [place for *place, value in await dump(database) if PAN.encode() in value]
    for one in (await ingest.get("/v1/refusals")).json()["items"]:
        opened = await ingest.post(f"/v1/refusals/{one['refusal_id']}:open", {"purpose": "a look"})
        assert "card_token" in opened.text
        assert PAN not in opened.text

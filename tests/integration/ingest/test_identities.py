"""Subjects, links made in numbering order, and look-ups that agree with what consumers will hold."""

from typing import Any
from uuid import UUID

import pytest

from shared.events.customers import SubjectAssignedV1
from tests.integration.ingest.conftest import Running, receipt

pytestmark = pytest.mark.postgres
CARD = {"namespace": "loyalty_card", "value": "6001234567"}
PHONE = {"namespace": "phone", "value": "13912345678"}
EMAIL = {"namespace": "email", "value": "chen@example.com"}


async def resolved(ingest: Running, identifier: dict[str, str]) -> dict[str, Any]:
    answer = await ingest.post("/v1/subjects:resolve", identifier)
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()
    return found


async def assignments(ingest: Running) -> list[SubjectAssignedV1]:
    return [one.data for one in await ingest.envelopes() if isinstance(one.data, SubjectAssignedV1)]


async def test_two_identifiers_on_one_receipt_are_one_customer(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(identifiers=[PHONE, CARD]))
    await ingest.number()
    card, phone = await resolved(ingest, CARD), await resolved(ingest, PHONE)
    assert card["customer_id"] == phone["customer_id"] == card["subject_id"]
    said = {one.subject_id: one for one in await assignments(ingest)}
    assert said[UUID(card["subject_id"])].cause == "first_seen"
    assert said[UUID(phone["subject_id"])].cause == "linked"
    assert said[UUID(phone["subject_id"])].masked == "139****5678"


async def test_rule_09_nothing_is_linked_before_it_is_numbered(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(identifiers=[PHONE, CARD]))
    assert (await resolved(ingest, PHONE))["customer_id"] != (await resolved(ingest, CARD))["customer_id"]
    assert await ingest.count("pending_links") == 1
    await ingest.number()
    assert await ingest.count("pending_links") == 0


async def test_rule_09_an_assignment_is_numbered_behind_its_reason(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(identifiers=[CARD]))
    await ingest.number()
    rows = await ingest.database.fetch(
        "SELECT n.topic, n.partition FROM numbered n JOIN events USING (event_id) ORDER BY stored_at"
    )
    assert [row["topic"] for row in rows] == ["retail.receipts.v1", "retail.customers.v1"]
    assert rows[0]["partition"] == rows[1]["partition"]


async def test_a_subject_is_introduced_once(ingest: Running) -> None:
    for number in (1, 2, 3):
        await ingest.results("/v1/receipts", receipt(number, identifiers=[CARD]))
        await ingest.number()
    assert len(await assignments(ingest)) == 1


async def test_versions_rise_when_customers_meet(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(1, identifiers=[PHONE, EMAIL]))
    await ingest.number()
    await ingest.results("/v1/receipts", receipt(2, identifiers=[PHONE, CARD]))
    await ingest.number()
    card = await resolved(ingest, CARD)
    for identifier in (PHONE, EMAIL):
        assert (await resolved(ingest, identifier))["customer_id"] == card["customer_id"]
    highest: dict[UUID, SubjectAssignedV1] = {}
    for one in await assignments(ingest):
        before = highest.get(one.subject_id)
        assert before is None or one.version == before.version + 1
        highest[one.subject_id] = one
    assert {str(one.customer_id) for one in highest.values()} == {card["customer_id"]}


async def test_links_in_one_batch_build_on_each_other(ingest: Running) -> None:
    pairs = [[PHONE, EMAIL], [EMAIL, CARD], [PHONE, {"namespace": "user_id", "value": "u-77"}]]
    batch = [receipt(number, identifiers=pair) for number, pair in enumerate(pairs, start=1)]
    await ingest.results("/v1/receipts", {"receipts": batch})
    await ingest.number()
    customers = {(await resolved(ingest, one))["customer_id"] for pair in pairs for one in pair}
    assert customers == {(await resolved(ingest, CARD))["subject_id"]}


async def test_the_receipt_names_its_weaker_subjects(ingest: Running) -> None:
    await ingest.results("/v1/customers", {"identifiers": [PHONE, CARD], "attributes": {"city": "Wuhan"}})
    await ingest.number()
    await ingest.results("/v1/receipts", receipt(identifiers=[PHONE, CARD]))
    await ingest.number()
    (envelope,) = [one for one in await ingest.envelopes() if one.type == "ReceiptRecorded"]
    assert str(envelope.subject_id) == (await resolved(ingest, CARD))["subject_id"]
    assert [str(one) for one in envelope.data.other_subject_ids] == [(await resolved(ingest, PHONE))["subject_id"]]


async def test_a_conflicting_receipt_links_nobody(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(1, identifiers=[CARD]))
    await ingest.results("/v1/receipts", receipt(1, identifiers=[CARD, PHONE]))
    await ingest.number()
    assert (await resolved(ingest, PHONE))["is_known"] is False


async def test_an_identifier_that_was_never_seen_has_the_subject_it_will_have(ingest: Running) -> None:
    before = await resolved(ingest, PHONE)
    assert before["is_known"] is False
    assert before["customer_id"] == before["subject_id"]
    await ingest.results("/v1/receipts", receipt(identifiers=[PHONE]))
    after = await resolved(ingest, {"namespace": "phone", "value": "+86 139 1234 5678"})
    assert after["subject_id"] == before["subject_id"]
    assert after["is_known"] is True


async def test_a_phone_that_is_none_is_answered_with_its_field(ingest: Running) -> None:
    answer = await ingest.post("/v1/subjects:resolve", {"namespace": "phone", "value": "call me"})
    assert answer.status_code == 422
    assert answer.json()["errors"][0]["field"] == "/value"
    assert "call me" not in answer.text


async def test_where_an_event_is_says_whose_it_is_now(ingest: Running) -> None:
    (result,) = await ingest.results("/v1/receipts", receipt(identifiers=[PHONE]))
    await ingest.results("/v1/receipts", receipt(2, identifiers=[PHONE, CARD]))
    await ingest.number()
    where = (await ingest.get(f"/v1/events/{result['message_id']}")).json()
    assert where["state"] == "numbered"
    assert where["topic"] == "retail.receipts.v1"
    assert where["seq"] == 1
    assert where["customer_id"] == (await resolved(ingest, CARD))["customer_id"]


async def test_an_event_that_never_came_is_not_found(ingest: Running) -> None:
    answer = await ingest.get("/v1/events/nothing-like-it")
    assert answer.status_code == 404
    assert answer.json()["code"] == "event_not_found"


async def test_contact_data_are_revealed_for_a_purpose_and_that_is_kept(ingest: Running) -> None:
    customer = {
        "identifiers": [CARD, PHONE, EMAIL],
        "contact": {"name": "Chen Li"},
        "attributes": {"household_size": 3},
        "consents": [{"channel": "email", "purpose": "marketing", "state": "granted"}],
    }
    (result,) = await ingest.results("/v1/customers", customer)
    assert result["status"] == "accepted"
    await ingest.number()
    customer_id = (await resolved(ingest, CARD))["customer_id"]
    answer = await ingest.post("/v1/contacts:reveal", {"customer_ids": [customer_id], "purpose": "call back"})
    (found,) = answer.json()["customers"]
    contacts = {one["field"]: one["value"] for one in found["contacts"]}
    assert contacts == {
        "loyalty_card": "6001234567",
        "phone": "+8613912345678",
        "email": "chen@example.com",
        "name": "Chen Li",
    }
    (audit,) = await ingest.database.fetch("SELECT actor, purpose, subject_ids FROM reveals")
    assert (audit["actor"], audit["purpose"], len(audit["subject_ids"])) == ("tests", "call back", 3)


async def test_contact_data_are_for_those_who_may_and_say_why(ingest: Running) -> None:
    asked = {"customer_ids": [str(UUID(int=1))], "purpose": "look"}
    assert (await ingest.post("/v1/contacts:reveal", asked, key=ingest.keys.store)).status_code == 403
    assert (await ingest.post("/v1/contacts:reveal", {**asked, "purpose": " "})).status_code == 422
    assert await ingest.count("reveals") == 0


async def test_a_destroyed_key_leaves_nothing_to_reveal(ingest: Running) -> None:
    await ingest.results("/v1/receipts", receipt(identifiers=[PHONE]))
    customer_id = (await resolved(ingest, PHONE))["customer_id"]
    await ingest.vault.execute("DELETE FROM subject_keys")
    ingest.app.state.ingest.vault._kept.clear()
    answer = await ingest.post("/v1/contacts:reveal", {"customer_ids": [customer_id], "purpose": "call back"})
    assert answer.json()["customers"] == [{"customer_id": customer_id, "contacts": []}]


async def test_no_identifier_stands_anywhere_in_the_clear(ingest: Running) -> None:
    secrets = ["6001234567", "13912345678", "chen@example.com", "Chen Li", "u-canary-77", "anon-canary-88"]
    await ingest.results(
        "/v1/customers",
        {"identifiers": [CARD, PHONE, EMAIL], "contact": {"name": "Chen Li"}, "attributes": {"size": 3}},
    )
    await ingest.results("/v1/receipts", [receipt(1, identifiers=[CARD, PHONE]), receipt(2, kind="gift")])
    await ingest.results("/v1/receipts", receipt(1, identifiers=[PHONE]))
    traits = {"email": "chen@example.com", "phone": "13912345678", "name": "Chen Li", "vip": True}
    seen = {"note": "mail chen@example.com", "who": "u-canary-77", "product_id": "P1"}
    batch = [
        {"type": "identify", "messageId": "m1", "userId": "u-canary-77", "anonymousId": "anon-canary-88",
         "traits": traits},
        {"type": "track", "messageId": "m2", "userId": "u-canary-77", "event": "Thing Done", "properties": seen},
        {"type": "track", "messageId": "m3", "userId": "u-canary-77", "properties": seen},
        {"type": "page", "messageId": "m4", "anonymousId": "anon-canary-88",
         "properties": {"url": "https://shop/a?mail=chen@example.com", "path": "/u/chen@example.com"}},
    ]  # fmt: skip
    assert (await ingest.send("/v1/batch", {"batch": batch})).status_code == 200
    assert (await ingest.send("/v1/batch", {"batch": batch}, ingest.keys.web_write_key)).status_code == 200
    await ingest.results(
        "/v1/feedback",
        {"type": "complaint", "identifiers": [PHONE],
         "data": {"complaint_id": "c1", "channel": "store", "text": "call 13912345678, chen@example.com"}},
    )  # fmt: skip
    await ingest.number()
    for database in (ingest.database, ingest.vault):
        for table, column, value in await dump(database):
            for secret in secrets:
                assert secret.encode() not in value, f"{secret} stands in {table}.{column}"


async def dump(database: Any) -> list[tuple[str, str, bytes]]:
    """Return every value of every table, as bytes."""
    tables = await database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    found = []
    for (table,) in tables:
        for row in await database.fetch(f"SELECT * FROM {table}"):
            for column, value in row.items():
                found.append((table, column, value if isinstance(value, bytes) else str(value).encode()))
    assert found
    return found

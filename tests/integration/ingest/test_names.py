"""Names and birthdays as evidence, from the door to `why`, the export and the erasure."""

from typing import Any
from uuid import UUID

import pytest

from services.ingest.holdings import HOLDINGS
from shared.customers.holdings import exported
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.erasing import erase
from tests.integration.ingest.test_aging import said_at
from tests.integration.ingest.test_deciding import decided
from tests.integration.ingest.test_forged_claims import forge, known_victim
from tests.integration.ingest.test_identities import CARD, EMAIL, PHONE, resolved

pytestmark = pytest.mark.postgres
NEW_CARD = {"namespace": "loyalty_card", "value": "6009876543"}
ACCOUNT = {"namespace": "user_id", "value": "u-77"}
ANNA = {"first_name": "Anna", "last_name": "Berg", "birthday": "1990-05-17"}
BERND = {"given_name": "Bernd", "birthdate": "1988-02-02"}


async def register(ingest: Running, *identifiers: dict[str, str], **contact: str) -> None:
    await ingest.results("/v1/customers", {"identifiers": list(identifiers), "contact": contact})
    await ingest.number()


async def are_one(ingest: Running, one: dict[str, str], other: dict[str, str]) -> bool:
    return bool((await resolved(ingest, one))["customer_id"] == (await resolved(ingest, other))["customer_id"])


async def why(ingest: Running, identifier: dict[str, str]) -> list[dict[str, Any]]:
    subject_id = (await resolved(ingest, identifier))["subject_id"]
    links: list[dict[str, Any]] = (await ingest.get(f"/v1/identities/{subject_id}/why")).json()["links"]
    return links


async def test_a_replaced_card_with_the_same_phone_name_and_birthday_is_the_same_customers(ingest: Running) -> None:
    await register(ingest, CARD, PHONE, **ANNA)
    await register(ingest, NEW_CARD, PHONE, given_name="ANNA", birthday="19900517")
    assert await are_one(ingest, CARD, NEW_CARD)
    assert [one["by_names"] for one in await why(ingest, CARD)] == [False, True]


async def test_a_second_card_with_that_phone_and_another_name_is_somebody_elses(ingest: Running) -> None:
    await register(ingest, CARD, PHONE, **ANNA)
    await register(ingest, NEW_CARD, PHONE, **BERND)
    assert not await are_one(ingest, CARD, NEW_CARD)


async def test_a_spouse_without_a_card_is_told_apart_and_why_says_so(ingest: Running) -> None:
    await register(ingest, CARD, PHONE, **ANNA)
    await register(ingest, PHONE, EMAIL, **BERND)
    assert not await are_one(ingest, PHONE, EMAIL)
    assert [(one["state"], one["reason"]) for one in await why(ingest, EMAIL)] == [("refused", "names_differ")]


async def test_a_name_told_at_one_time_is_evidence_at_another(ingest: Running) -> None:
    await register(ingest, CARD, **ANNA)
    await ingest.results("/v1/receipts", receipt(identifiers=[CARD, PHONE]))
    await ingest.number()
    await register(ingest, NEW_CARD, PHONE, **ANNA)
    assert await are_one(ingest, CARD, NEW_CARD)


async def test_an_identify_of_a_server_says_names_too(ingest: Running) -> None:
    await register(ingest, CARD, PHONE, **ANNA)
    traits = {
        "phone": PHONE["value"],
        "loyalty_card": NEW_CARD["value"],
        "firstName": "anna",
        "birthday": "1990-05-17",
    }
    await ingest.send("/v1/identify", {"userId": "u-77", "messageId": "i1", "traits": traits})
    await ingest.number()
    assert await are_one(ingest, CARD, ACCOUNT)
    assert await are_one(ingest, CARD, NEW_CARD)


async def test_the_name_is_told_once_and_said_again_it_is_not_stored_again(ingest: Running) -> None:
    for _ in range(3):
        await register(ingest, CARD, PHONE, **ANNA)
    assert await ingest.count("marks") == 2
    assert await ingest.count("pending_links") == 0


async def test_what_a_public_source_forges_leaves_no_mark(ingest: Running) -> None:
    await known_victim(ingest)
    forged = {"firstName": "Mallory", "birthday": "1970-07-07", "phone": PHONE["value"], "email": EMAIL["value"]}
    message = {"userId": "u-victim", "anonymousId": "d1", "messageId": "f9", "traits": forged}
    assert (await ingest.send("/v1/identify", message, ingest.keys.web_write_key)).status_code == 200
    await forge(ingest)
    await ingest.number()
    assert await ingest.count("marks") == 0


async def test_no_name_and_no_birthday_is_in_the_clear_in_any_table(ingest: Running) -> None:
    await register(ingest, CARD, PHONE, given_name="Wilhelmina", birthday="1971-11-29")
    await ingest.results(
        "/v1/customers", {"identifiers": [NEW_CARD], "contact": {"given_name": "Wilhelmina", "dob": "1971-11-29"}}
    )
    assert await ingest.count("marks") == 2
    assert await ingest.count("pending_links") == 1
    tables = await ingest.database.fetch("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    for table in (row["tablename"] for row in tables):
        rows = await ingest.database.fetch(f'SELECT to_jsonb(t)::text AS row FROM "{table}" t')
        text = " ".join(row["row"] for row in rows).casefold()
        assert "wilhelmina" not in text, table
        assert b"wilhelmina".hex() not in text, table
        assert "1971-11-29" not in text, table


async def test_names_among_attributes_are_refused_like_other_contact_data(ingest: Running) -> None:
    for name in ("given_name", "familyName", "dob"):
        person = {"identifiers": [CARD], "attributes": {name: "Anna"}}
        assert (await ingest.results("/v1/customers", person))[0]["code"] == "personal_data"


async def test_the_export_tells_of_marks_and_the_erasure_takes_them(ingest: Running) -> None:
    await register(ingest, CARD, PHONE, **ANNA)
    card = await resolved(ingest, CARD)
    async with ingest.database.transaction(isolation="repeatable_read") as tx:
        held = (await exported(tx, HOLDINGS, UUID(card["customer_id"]))).tables["marks"]
    assert [(one["of_given_name"], one["of_birthday"]) for one in held] == [(True, True)] * 2
    assert not any("given" in one or "born" in one for one in held)
    await erase(ingest, customer_id=card["customer_id"])
    assert await ingest.count("marks") == 0


async def test_a_late_registration_of_an_erased_person_brings_no_mark_back(ingest: Running) -> None:
    await register(ingest, CARD, PHONE, **ANNA)
    card = await resolved(ingest, CARD)
    await ingest.results("/v1/customers", {"identifiers": [CARD], "contact": {"given_name": "Anne"}})
    await erase(ingest, customer_id=card["customer_id"])
    await ingest.number()
    assert await ingest.count("marks") == 0
    assert await ingest.count("pending_links") == 0


async def test_un_merging_keeps_the_two_apart_whatever_they_are_called(ingest: Running) -> None:
    await register(ingest, CARD, PHONE, **ANNA)
    await register(ingest, NEW_CARD, PHONE, **ANNA)
    card, new = await resolved(ingest, CARD), await resolved(ingest, NEW_CARD)
    split = {"subject_ids": [new["subject_id"]], "reason": "her daughter"}
    await decided(ingest, f"/v1/identities/{card['customer_id']}:unmerge", split)
    await register(ingest, NEW_CARD, PHONE, **ANNA)
    assert not await are_one(ingest, CARD, NEW_CARD)
    assert await ingest.count("marks") == 3


async def test_a_silent_phone_that_comes_with_the_same_name_was_not_issued_again(ingest: Running) -> None:
    for at, card, contact, is_theirs in (
        ("2025-01-10", CARD, ANNA, True),
        ("2025-12-10", NEW_CARD, {"given_name": "Anna"}, True),
        ("2026-08-10", {"namespace": "loyalty_card", "value": "6005555111"}, BERND, False),
    ):
        before = await resolved(ingest, PHONE)
        person = {"identifiers": [card, PHONE], "contact": contact, "occurred_at": f"{at}T10:00:00+08:00"}
        await ingest.results("/v1/customers", person)
        await ingest.number()
        assert ((await resolved(ingest, PHONE))["subject_id"] == before["subject_id"]) is is_theirs


async def test_a_card_in_quarantine_does_not_show_that_a_phone_was_issued_again(ingest: Running) -> None:
    for number, (at, card) in enumerate((("2025-01-10", CARD), ("2025-01-11", NEW_CARD)), start=1):
        await said_at(ingest, at, number, *([card, PHONE] if card is CARD else [card]))
    before, cashiers = await resolved(ingest, PHONE), await resolved(ingest, NEW_CARD)
    await decided(ingest, f"/v1/identities/{cashiers['subject_id']}:quarantine", {"reason": "the cashier's own"})
    ingest.app.state.ingest.held.forget()
    await said_at(ingest, "2025-12-10", 3, NEW_CARD, PHONE)
    assert await resolved(ingest, PHONE) == before

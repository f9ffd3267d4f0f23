"""Erasing a person: what is gone, what stays and is nobody's, and what comes later."""

import asyncio
from collections.abc import Iterable
from typing import Any
from uuid import UUID, uuid4

import pytest

from services.ingest.handlers.identity.deciding import Deciding
from services.ingest.handlers.privacy.erasing import Wish, request_erasure
from services.ingest.store import erasures as store
from shared.events import decode
from shared.identity import guest_subject_id
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.erasing import CARD, PHONE, Services, ask, customer_of, erase, sweeping
from tests.integration.ingest.test_deciding import OTHER_CARD, decided

pytestmark = pytest.mark.postgres

EMAIL = {"namespace": "email", "value": "chen@example.com"}
OF_PEOPLE = (
    *("subjects", "assignments", "links", "apart", "relations", "decisions", "quarantine", "sightings"),
    *("pending_links", "vault_entries", "originals"),
)


async def known_person(ingest: Running) -> str:
    """A person with a card, a phone and an e-mail, two receipts, an attribute and a complaint."""
    person = {
        "identifiers": [CARD, PHONE, EMAIL],
        "contact": {"name": "Chen Li"},
        "attributes": {"household_size": 3},
    }
    await ingest.results("/v1/customers", person)
    await ingest.results("/v1/receipts", [receipt(1, identifiers=[CARD]), receipt(2, identifiers=[PHONE])])
    complaint = {"complaint_id": "c1", "channel": "store", "text": "too loud"}
    await ingest.results("/v1/feedback", {"type": "complaint", "identifiers": [PHONE], "data": complaint})
    await ingest.number()
    return await customer_of(ingest, CARD)


async def test_every_trace_of_the_person_is_gone_and_their_sales_are_nobodys(ingest: Running) -> None:
    customer_id = await known_person(ingest)
    places = await places_of(ingest)
    shown = await erase(ingest, customer_id=customer_id)
    assert shown["state"] == "confirmed"
    assert shown["subjects"] == 3
    assert shown["counts"] == {
        "keys": 3,
        "vault_entries": 4,
        "originals": 4,
        "refusals": 0,
        "exports": 0,
        "events": 7,
    }
    for table in OF_PEOPLE:
        assert await ingest.count(table) == 0, table
    assert await ingest.vault.fetchval("SELECT count(*) FROM subject_keys WHERE key_id = $1", UUID(customer_id)) == 0
    rows = await ingest.database.fetch("SELECT event_id, key, type, body FROM events WHERE type <> 'CustomerErased'")
    for row in rows:
        assert row["key"] == str(guest_subject_id(row["event_id"]))
        if row["type"] == "ReceiptRecorded":
            envelope = decode(row["body"])
            assert (envelope.subject_kind, envelope.subject_id) == ("guest", guest_subject_id(row["event_id"]))
            assert envelope.data.lines[0].amount_minor == 900  # type: ignore[attr-defined]
        else:
            assert row["body"] == b""
    after = await places_of(ingest)
    assert {place: after[place] for place in places} == places


async def places_of(ingest: Running) -> dict[tuple[str, int, int], UUID]:
    rows = await ingest.database.fetch("SELECT topic, partition, seq, event_id FROM numbered")
    return {(row["topic"], row["partition"], row["seq"]): row["event_id"] for row in rows}


async def test_one_event_is_said_for_every_identifier(ingest: Running) -> None:
    customer_id = await known_person(ingest)
    shown = await erase(ingest, customer_id=customer_id)
    said = [one for one in await ingest.envelopes_said() if one.type == "CustomerErased"]
    assert len(said) == 3
    assert len({one.subject_id for one in said}) == 3
    assert {str(one.data.erasure_id) for one in said} == {shown["erasure_id"]}


async def test_an_erasure_by_identifier_is_the_customers(ingest: Running) -> None:
    customer_id = await known_person(ingest)
    shown = await erase(ingest, identifier=EMAIL)
    assert (shown["customer_id"], shown["subjects"]) == (customer_id, 3)


async def test_a_late_receipt_does_not_resurrect(ingest: Running) -> None:
    await known_person(ingest)
    await erase(ingest, identifier=CARD)
    (late,) = await ingest.results("/v1/receipts", receipt(9, identifiers=[CARD, PHONE]))
    assert late["status"] == "accepted"
    await ingest.number()
    row = await ingest.database.fetchrow("SELECT body FROM events WHERE event_id = $1", UUID(late["message_id"]))
    assert row is not None
    envelope = decode(row["body"])
    assert envelope.subject_kind == "guest"
    assert envelope.data.other_subject_ids == ()  # type: ignore[attr-defined]
    for table in ("subjects", "assignments", "vault_entries", "originals"):
        assert await ingest.count(table) == 0, table


async def test_a_receipt_that_was_at_the_door_when_the_erasure_was_executed_is_caught_when_numbered(
    ingest: Running,
) -> None:
    customer_id = await known_person(ingest)
    assert (await ask(ingest, customer_id=customer_id)).status_code == 202
    # Stored behind the erasure, under subjects that its door still took for a person's.
    (late,) = await ingest.results("/v1/receipts", receipt(9, identifiers=[CARD, PHONE]))
    await ingest.number()
    await sweeping(ingest).run()
    event_id = UUID(late["message_id"])
    row = await ingest.database.fetchrow(
        "SELECT n.key, e.body FROM numbered n JOIN events e USING (event_id) WHERE event_id = $1", event_id
    )
    assert row is not None
    assert row["key"] == str(guest_subject_id(event_id))
    assert decode(row["body"]).subject_kind == "guest"
    for table in ("subjects", "assignments", "vault_entries", "originals"):
        assert await ingest.count(table) == 0, table


async def test_what_a_door_that_has_not_heard_of_the_erasure_stores_is_nobodys_once_numbered(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Everything was swept before it came, and the door stores the person as new."""
    monkeypatch.setattr("services.ingest.handlers.accepting.lately.KEPT_SECONDS", -1.0)
    await known_person(ingest)
    card = (await ingest.post("/v1/subjects:resolve", CARD)).json()["subject_id"]
    await erase(ingest, identifier=CARD)
    closed = ingest.app.state.ingest.closed
    closed._known.clear()
    closed._read_at = float("inf")
    friend = {"namespace": "email", "value": "friend@example.com"}
    late, _ = await ingest.results(
        "/v1/receipts", [receipt(9, identifiers=[CARD]), receipt(10, identifiers=[CARD, friend])]
    )
    assert await ingest.count(f"pending_links WHERE '{card}' = ANY(subject_ids)") == 2
    await ingest.number()
    assert await ingest.count("links") == 0
    assert decode(await body_of(ingest, UUID(late["message_id"]))).subject_kind == "guest"
    await sweeping(ingest).run()
    guest = str(guest_subject_id(UUID(late["message_id"])))
    assert await ingest.count(f"numbered WHERE key = '{guest}'") == 1
    for table in OF_PEOPLE:
        rows = await ingest.database.fetch(f"SELECT to_jsonb(t)::text AS row FROM {table} t")
        assert not any(card in row["row"] for row in rows), table


async def test_a_phone_number_can_sign_up_again_as_somebody_new_and_a_card_cannot(ingest: Running) -> None:
    await known_person(ingest)
    before = (await ingest.post("/v1/subjects:resolve", PHONE)).json()["subject_id"]
    await erase(ingest, identifier=PHONE)
    nobody_yet = (await ingest.post("/v1/subjects:resolve", PHONE)).json()
    assert (nobody_yet["is_known"], nobody_yet["subject_id"] == before) == (False, False)
    now = ingest.app.state.clock.now().isoformat()
    old = {"identifiers": [PHONE], "attributes": {"a": 1}, "occurred_at": "2026-03-01T09:00:00+08:00"}
    (refused,) = await ingest.results("/v1/customers", old)
    assert (refused["status"], refused["code"]) == ("refused", "identifier_erased")
    (dead,) = await ingest.results("/v1/customers", {"identifiers": [CARD], "attributes": {"a": 1}})
    assert dead["code"] == "identifier_erased"
    (fresh,) = await ingest.results(
        "/v1/customers", {"identifiers": [PHONE, CARD], "occurred_at": now, "attributes": {"a": 1}}
    )
    assert fresh["status"] == "accepted"
    await ingest.number()
    found = (await ingest.post("/v1/subjects:resolve", PHONE)).json()
    assert found["is_known"]
    assert found["subject_id"] == nobody_yet["subject_id"]
    assert await ingest.database.fetchval("SELECT generation FROM subjects") == 1


async def test_what_was_refused_and_names_the_person_goes_too(ingest: Running) -> None:
    await known_person(ingest)
    await ingest.results("/v1/receipts", [
        receipt(20, kind="gift", identifiers=[{"namespace": "phone", "value": "+86 139-1234-5678"}]),
        receipt(21, kind="gift", identifiers=[{"namespace": "phone", "value": "13800001111"}]),
        receipt(2, identifiers=[PHONE], training=True),
    ])  # fmt: skip
    assert await ingest.count("refusals") == 3
    shown = await erase(ingest, identifier=CARD)
    assert shown["counts"]["refusals"] == 2
    assert await ingest.count("refusals") == 1


async def test_the_certificate_comes_when_all_have_confirmed_and_a_service_away_is_asked_again(
    ingest: Running,
) -> None:
    customer_id = await known_person(ingest)
    erasure_id = (await ask(ingest, customer_id=customer_id)).json()["erasure_id"]
    await ingest.number()
    services = Services()
    subject_ids = await ingest.database.fetch("SELECT subject_id FROM erased_subjects")
    services.apply([row["subject_id"] for row in subject_ids])
    services.of["churn"].is_away = True
    services.of["campaign"].subject_ids.pop()
    await sweeping(ingest, services).run()
    shown = (await ingest.get(f"/v1/erasures/{erasure_id}")).json()
    assert (shown["state"], shown["waiting_for"]) == ("rewritten", ["churn", "campaign"])
    early = await ingest.get(f"/v1/erasures/{erasure_id}/certificate")
    assert (early.status_code, early.json()["code"]) == (409, "erasure_unfinished")
    services.of["churn"].is_away = False
    services.apply([row["subject_id"] for row in subject_ids])
    await sweeping(ingest, services).run()
    signed = (await ingest.get(f"/v1/erasures/{erasure_id}/certificate")).json()
    assert [one["service"] for one in signed["certificate"]["services"]] == sorted(services.of)
    verify = "/v1/erasures/certificates:verify"
    assert (await ingest.post(verify, signed)).json() == {"genuine": True}
    signed["certificate"]["subjects"] = 2
    assert (await ingest.post(verify, signed)).json() == {"genuine": False}


async def test_asking_twice_erases_once(ingest: Running) -> None:
    customer_id = await known_person(ingest)
    first = await ask(ingest, "k1", customer_id=customer_id)
    again = await ask(ingest, "k1", customer_id=customer_id)
    assert (again.status_code, again.json()) == (202, first.json())
    other = await ask(ingest, "k2", customer_id=customer_id)
    assert (other.status_code, other.json()["code"]) == (409, "erasure_under_way")
    assert await ingest.count("erasures") == 1


@pytest.mark.parametrize(
    ("wish", "status", "code"),
    [
        ({"customer_id": str(uuid4())}, 404, "customer_not_found"),
        ({"identifier": {"namespace": "phone", "value": "13700001111"}}, 404, "customer_not_found"),
        ({"identifier": {"namespace": "phone", "value": "call me"}}, 422, "invalid_identifier"),
        ({}, 422, "invalid_input"),
        ({"customer_id": str(uuid4()), "identifier": PHONE}, 422, "invalid_input"),
        ({"customer_id": str(uuid4()), "requested_by": "guardian"}, 422, "invalid_input"),
        ({"customer_id": str(uuid4()), "reason": "call 13912345678"}, 422, "personal_text"),
    ],
)
async def test_a_wish_that_cannot_be_met_says_why(
    ingest: Running, wish: dict[str, Any], status: int, code: str
) -> None:
    answer = await ask(ingest, **wish)
    assert (answer.status_code, answer.json()["code"]) == (status, code), answer.text
    assert await ingest.count("erasures") == 0


async def test_erasing_is_for_those_who_may(ingest: Running) -> None:
    headers = {"Authorization": f"Bearer {ingest.keys.store}", "Idempotency-Key": "k"}
    body = {"customer_id": str(uuid4()), "reason": "because", "requested_by": "retailer"}
    assert (await ingest.client.post("/v1/erasures", json=body, headers=headers)).status_code == 403


async def test_a_guardian_is_kept_by_relation_and_proof(ingest: Running) -> None:
    customer_id = await known_person(ingest)
    guardian = {"relation": "parent", "proof": "birth certificate seen"}
    shown = await erase(ingest, customer_id=customer_id, requested_by="guardian", guardian=guardian)
    assert shown["guardian"] == "parent: birth certificate seen"


async def test_contact_data_are_unreadable_at_once(ingest: Running) -> None:
    customer_id = await known_person(ingest)
    asked = {"customer_ids": [customer_id], "purpose": "call back"}
    assert (await ingest.post("/v1/contacts:reveal", asked)).json()["customers"][0]["contacts"]
    await erase(ingest, customer_id=customer_id)
    assert (await ingest.post("/v1/contacts:reveal", asked)).json()["customers"][0]["contacts"] == []


async def test_where_an_erased_event_is_can_still_be_asked(ingest: Running) -> None:
    complaint = {"complaint_id": "c1", "channel": "store", "text": "too loud"}
    said = {"type": "complaint", "identifiers": [PHONE], "data": complaint, "message_id": "m-1"}
    await ingest.results("/v1/feedback", said)
    await ingest.number()
    await erase(ingest, identifier=PHONE)
    where = (await ingest.get("/v1/events/m-1")).json()
    assert (where["state"], where["subject_id"]) == ("numbered", None)


async def test_two_erasures_at_once_do_not_meet(ingest: Running) -> None:
    await ingest.results("/v1/receipts", [receipt(1, identifiers=[CARD]), receipt(2, identifiers=[PHONE])])
    await ingest.number()
    await asyncio.gather(ask(ingest, identifier=CARD), ask(ingest, identifier=PHONE))
    await ingest.number()
    await asyncio.gather(sweeping(ingest).run(), sweeping(ingest).run())
    assert await ingest.count("erasures WHERE rewritten_at IS NOT NULL") == 2
    assert await ingest.count("subjects") == 0


async def test_erasures_that_wait_for_a_service_hold_up_no_other(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.handlers.privacy.sweeping.ERASURES_AT_ONCE", 2)
    cards = [{"namespace": "loyalty_card", "value": f"60012345{number}"} for number in range(5)]
    await ingest.results("/v1/receipts", [receipt(number, identifiers=[one]) for number, one in enumerate(cards, 1)])
    await ingest.number()
    for one in cards:
        assert (await ask(ingest, identifier=one)).status_code == 202
    await ingest.number()
    services = Services()
    for name in services.of:
        services.of[name].is_away = True
    for _ in range(3):
        await sweeping(ingest, services).run()
    assert await ingest.count("erasures WHERE rewritten_at IS NOT NULL") == 5
    assert await ingest.count("erasures WHERE confirmed_at IS NOT NULL") == 0


# What was decided, claimed and linked.

TILL = {"store_id": "S01", "terminal_id": "T3", "business_date": "2026-03-01", "sequence_number": 7}


async def guests_receipt(ingest: Running) -> str:
    (guest,) = await ingest.results("/v1/receipts", receipt(7, identifiers=[]))
    await ingest.number()
    found: str = guest["message_id"]
    return found


async def test_a_receipt_that_the_person_claimed_is_a_guests_again_and_stays_as_it_is(ingest: Running) -> None:
    guest = UUID(await guests_receipt(ingest))
    customer_id = await known_person(ingest)
    proof = {"total_minor": 900, "business_date": "2026-03-01"}
    await decided(ingest, "/v1/identities/claims", {"receipt": TILL, "proof": proof, "identifier": CARD})
    body = await body_of(ingest, guest)
    shown = await erase(ingest, customer_id=customer_id)
    assert (shown["state"], shown["subjects"]) == ("confirmed", 3)
    assert await body_of(ingest, guest) == body
    said = [one for one in await ingest.envelopes_said() if one.subject_id == guest_subject_id(guest)]
    assert said[-1].type == "SubjectAssigned"
    assert (said[-1].data.customer_id, said[-1].data.version) == (guest_subject_id(guest), 2)
    kept = await ingest.database.fetch("SELECT subject_id, customer_id, version FROM assignments")
    assert [tuple(row) for row in kept] == [(guest_subject_id(guest), guest_subject_id(guest), 2)]
    answer = await ask(ingest, customer_id=str(guest_subject_id(guest)))
    assert (answer.status_code, answer.json()["code"]) == (404, "customer_not_found")


async def body_of(ingest: Running, event_id: UUID) -> bytes:
    found: bytes = await ingest.database.fetchval("SELECT body FROM events WHERE event_id = $1", event_id)
    return found


async def test_what_was_decided_of_the_person_goes_and_others_keep_theirs(ingest: Running) -> None:
    customer_id = await known_person(ingest)
    await ingest.results("/v1/receipts", receipt(20, identifiers=[OTHER_CARD]))
    await ingest.number()
    other = await customer_of(ingest, OTHER_CARD)
    headers = {"Authorization": f"Bearer {ingest.keys.admin}"}
    relation = {"customer_id": other, "kind": "household"}
    await ingest.client.put(f"/v1/identities/{customer_id}/relations", json=relation, headers=headers)
    email = (await ingest.post("/v1/subjects:resolve", EMAIL)).json()["subject_id"]
    await decided(ingest, f"/v1/identities/{customer_id}:unmerge", {"subject_ids": [email], "reason": "a friend's"})
    await decided(ingest, f"/v1/identities/{customer_id}:quarantine", {"reason": "seen at the desk"})
    assert {name for name in OF_PEOPLE if await ingest.count(name)} >= {"links", "apart", "relations", "decisions"}
    await erase(ingest, identifier=CARD)
    for table in OF_PEOPLE:
        rows = await ingest.database.fetch(f"SELECT to_jsonb(t)::text AS row FROM {table} t")
        assert not any(customer_id in row["row"] for row in rows), table
    assert await customer_of(ingest, OTHER_CARD) == other
    assert await customer_of(ingest, EMAIL) == email


async def test_a_decision_that_waited_for_its_number_when_the_person_was_erased_does_nothing(ingest: Running) -> None:
    customer_id = await known_person(ingest)
    await ingest.results("/v1/receipts", receipt(20, identifiers=[OTHER_CARD]))
    await ingest.number()
    other = UUID(await customer_of(ingest, OTHER_CARD))
    assert (await ask(ingest, customer_id=customer_id)).status_code == 202
    state = ingest.app.state.ingest
    async with ingest.database.transaction() as tx:
        deciding = Deciding(ingest.database, state.secrets, state.clock)
        await deciding.say(tx, "linked", [UUID(customer_id), other], actor="desk", reason=None)
    await ingest.number()
    assert not await ingest.database.fetch("SELECT FROM assignments WHERE subject_id = $1", UUID(customer_id))
    assert UUID(await customer_of(ingest, OTHER_CARD)) == other


async def test_the_original_of_an_employees_purchase_goes_with_the_employee(ingest: Running) -> None:
    await known_person(ingest)
    (own,) = await ingest.results("/v1/receipts", receipt(30, identifiers=[CARD], employee=True))
    await ingest.number()
    event_id = UUID(own["message_id"])
    assert await ingest.database.fetch("SELECT FROM originals WHERE event_id = $1", event_id)
    await erase(ingest, identifier=CARD)
    (late,) = await ingest.results("/v1/receipts", receipt(31, identifiers=[CARD], employee=True))
    for one in (event_id, UUID(late["message_id"])):
        assert not await ingest.database.fetch("SELECT FROM originals WHERE event_id = $1", one)
        assert decode(await body_of(ingest, one)).subject_kind == "guest"


async def test_a_person_whose_erasure_is_asked_for_at_two_desks_at_once_is_erased_once(ingest: Running) -> None:
    customer_id = await known_person(ingest)
    state = ingest.app.state.ingest
    async with ingest.database.transaction() as tx:
        wish = Wish(UUID(customer_id), "asked for at the desk", "customer")
        await request_erasure(tx, state.secrets, wish, "one desk", state.clock.now())
        other = asyncio.create_task(ask(ingest, customer_id=customer_id))
        while not other.done() and not await ingest.count("pg_locks WHERE locktype = 'advisory' AND NOT granted"):  # noqa: ASYNC110 (of a lock)
            await asyncio.sleep(0.01)
    answer = await other
    assert (answer.status_code, answer.json()["code"]) == (409, "erasure_under_way")
    assert await ingest.count("erasures") == 1


async def test_a_fault_in_sweeping_one_person_holds_up_no_other(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number, identifier in enumerate((CARD, OTHER_CARD), 1):
        await ingest.results("/v1/receipts", receipt(number, identifiers=[identifier]))
    failing = UUID(await customer_of(ingest, CARD))
    asked = [(await ask(ingest, identifier=identifier)).json()["erasure_id"] for identifier in (CARD, OTHER_CARD)]
    await ingest.number()
    services = Services()
    services.apply(await store.subjects_of_erasure(ingest.database, UUID(asked[0])))
    sweeper = sweeping(ingest, services)
    destroy = sweeper.vault.destroy

    async def but_hers(key_ids: Iterable[UUID]) -> int:
        if failing in key_ids:
            raise RuntimeError("a bug")
        return await destroy(key_ids)

    monkeypatch.setattr(sweeper.vault, "destroy", but_hers)
    await sweeper.run()
    states = [(await ingest.get(f"/v1/erasures/{erasure_id}")).json()["state"] for erasure_id in asked]
    # Every service has confirmed hers, which is not carried out here.
    assert states == ["executed", "rewritten"]
    monkeypatch.undo()
    await sweeper.run()
    assert (await ingest.get(f"/v1/erasures/{asked[0]}")).json()["state"] == "confirmed"

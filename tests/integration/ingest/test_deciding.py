"""Decisions about identifiers: executed in numbering order, explained, and taken back."""

import asyncio
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from services.ingest.domain.policy import RULE_VERSION
from shared.events.customers import IdentityDecidedV1, SubjectAssignedV1
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.ingest.test_identities import CARD, EMAIL, PHONE, assignments, resolved

pytestmark = pytest.mark.postgres
OTHER_CARD = {"namespace": "loyalty_card", "value": "6009999999"}
BECAUSE = {"reason": "the phone is his sister's"}


async def asked(ingest: Running, path: str, body: Any, key: str | None = None) -> httpx.Response:
    """Ask for a decision, and number it while the request waits for its outcome."""
    before = await ingest.count("decisions")
    request = asyncio.create_task(ingest.post(path, body, key))
    while not request.done():
        if await ingest.count("decisions") > before:
            await ingest.number()
            break
        await asyncio.sleep(0.01)
    return await request


async def decided(ingest: Running, path: str, body: Any, key: str | None = None) -> dict[str, Any]:
    answer = await asked(ingest, path, body, key)
    assert answer.status_code == 200, answer.text
    decision: dict[str, Any] = answer.json()
    assert decision["outcome"] == "done"
    return decision


async def said_together(ingest: Running, number: int, *identifiers: dict[str, str]) -> str:
    """Send a receipt with these identifiers; return its message_id."""
    (result,) = await ingest.results("/v1/receipts", receipt(number, identifiers=list(identifiers)))
    await ingest.number()
    message_id: str = result["message_id"]
    return message_id


async def customers(ingest: Running, *identifiers: dict[str, str]) -> list[str]:
    return [(await resolved(ingest, one))["customer_id"] for one in identifiers]


async def why(ingest: Running, identifier: dict[str, str]) -> dict[str, Any]:
    found = await resolved(ingest, identifier)
    answer = await ingest.get(f"/v1/identities/{found['subject_id']}/why")
    assert answer.status_code == 200, answer.text
    document: dict[str, Any] = answer.json()
    return document


async def test_an_unmerge_parts_a_customer_and_keeps_both_apart(ingest: Running) -> None:
    await said_together(ingest, 1, CARD, PHONE)
    card, phone = await resolved(ingest, CARD), await resolved(ingest, PHONE)
    decision = await decided(
        ingest, f"/v1/identities/{card['customer_id']}:unmerge", {"subject_ids": [phone["subject_id"]], **BECAUSE}
    )
    assert decision["moved"] == 1
    assert await customers(ingest, CARD, PHONE) == [card["subject_id"], phone["subject_id"]]
    await said_together(ingest, 2, CARD, PHONE)
    assert await customers(ingest, CARD, PHONE) == [card["subject_id"], phone["subject_id"]]
    (last,) = [one for one in await assignments(ingest) if one.version == 2]
    assert (last.cause, str(last.customer_id)) == ("unmerged", phone["subject_id"])


async def test_a_decision_is_an_event_and_its_assignments_come_right_behind(ingest: Running) -> None:
    await said_together(ingest, 1, CARD, PHONE)
    phone = await resolved(ingest, PHONE)
    await decided(
        ingest, f"/v1/identities/{phone['customer_id']}:unmerge", {"subject_ids": [phone["subject_id"]], **BECAUSE}
    )
    *_, decision, assignment = [one.data for one in await ingest.envelopes()]
    assert isinstance(decision, IdentityDecidedV1)
    assert (decision.decision, decision.actor, decision.reason) == ("unmerged", "tests", BECAUSE["reason"])
    assert isinstance(assignment, SubjectAssignedV1)


async def test_a_decision_that_is_not_numbered_yet_can_be_asked_for(
    ingest: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("services.ingest.handlers.identity.deciding.WAIT_SECONDS", 0.0)
    await said_together(ingest, 1, CARD, PHONE)
    phone = await resolved(ingest, PHONE)
    answer = await ingest.post(f"/v1/identities/{phone['subject_id']}:quarantine", BECAUSE)
    assert (answer.status_code, answer.json()["outcome"]) == (202, None)
    where = f"/v1/identities/decisions/{answer.json()['decision_id']}"
    assert (await ingest.get(where)).json()["outcome"] is None
    await ingest.number()
    assert (await ingest.get(where)).json()["outcome"] == "done"
    assert (await ingest.get(f"/v1/identities/decisions/{uuid4()}")).json()["code"] == "decision_not_found"


async def test_the_link_of_a_wrong_receipt_is_taken_back(ingest: Running) -> None:
    await said_together(ingest, 1, CARD, EMAIL)
    wrong = await said_together(ingest, 2, CARD, PHONE)
    card = await resolved(ingest, CARD)
    await decided(ingest, f"/v1/identities/{card['customer_id']}:unmerge", {"event_id": wrong, **BECAUSE})
    phone = await resolved(ingest, PHONE)
    assert await customers(ingest, CARD, EMAIL, PHONE) == [card["subject_id"]] * 2 + [phone["subject_id"]]


async def test_a_link_that_others_bear_out_names_its_cure(ingest: Running) -> None:
    wrong = await said_together(ingest, 1, CARD, PHONE)
    await said_together(ingest, 2, CARD, EMAIL)
    await said_together(ingest, 3, PHONE, EMAIL)
    card = await resolved(ingest, CARD)
    answer = await asked(ingest, f"/v1/identities/{card['customer_id']}:unmerge", {"event_id": wrong, **BECAUSE})
    assert answer.status_code == 409
    problem = answer.json()
    assert (problem["code"], problem["errors"][0]["code"]) == ("decision_refused", "still_connected")
    assert "name the subjects" in problem["message"]


@pytest.mark.parametrize("body", [{}, {"subject_ids": [], **BECAUSE}, {"event_id": str(uuid4())}, BECAUSE])
async def test_an_unmerge_says_what_and_why(ingest: Running, body: dict[str, Any]) -> None:
    await said_together(ingest, 1, CARD, PHONE)
    card = await resolved(ingest, CARD)
    answer = await ingest.post(f"/v1/identities/{card['customer_id']}:unmerge", body)
    assert (answer.status_code, answer.json()["code"]) == (422, "invalid_input")


async def test_an_unmerge_is_of_the_customers_own_subjects_and_leaves_some(ingest: Running) -> None:
    await said_together(ingest, 1, CARD, PHONE)
    await said_together(ingest, 2, OTHER_CARD)
    card, other = await resolved(ingest, CARD), await resolved(ingest, OTHER_CARD)
    everything = [card["subject_id"], (await resolved(ingest, PHONE))["subject_id"]]
    for subject_ids in ([other["subject_id"]], everything):
        body = {"subject_ids": subject_ids, **BECAUSE}
        answer = await ingest.post(f"/v1/identities/{card['customer_id']}:unmerge", body)
        assert (answer.status_code, answer.json()["code"]) == (422, "not_theirs")
        assert answer.json()["errors"][0]["field"] == "/subject_ids"
    stranger = await ingest.post(f"/v1/identities/{uuid4()}:unmerge", {"subject_ids": everything, **BECAUSE})
    assert (stranger.status_code, stranger.json()["code"]) == (404, "identity_not_found")


async def test_a_person_links_two_cards_that_no_rule_would(ingest: Running) -> None:
    await said_together(ingest, 1, CARD, PHONE)
    await said_together(ingest, 2, OTHER_CARD, PHONE)
    card, other = await resolved(ingest, CARD), await resolved(ingest, OTHER_CARD)
    assert card["customer_id"] != other["customer_id"]
    body = {"subject_ids": [other["subject_id"]], "reason": "lost his first card"}
    await decided(ingest, f"/v1/identities/{card['customer_id']}:link", {**body, "subject_ids": [
        other["subject_id"], card["subject_id"]]})  # fmt: skip
    assert len(set(await customers(ingest, CARD, OTHER_CARD, PHONE))) == 1


async def test_only_those_who_manage_links_decide(ingest: Running) -> None:
    await said_together(ingest, 1, CARD, PHONE)
    card = await resolved(ingest, CARD)
    for verb in ("unmerge", "link", "quarantine", "release"):
        answer = await ingest.post(
            f"/v1/identities/{card['customer_id']}:{verb}", {**BECAUSE, "subject_ids": []}, ingest.keys.store
        )
        assert answer.status_code == 403, verb


async def test_why_tells_of_every_link_refusal_and_decision(ingest: Running) -> None:
    first = await said_together(ingest, 1, CARD, PHONE)
    second = await said_together(ingest, 2, OTHER_CARD, PHONE)
    card, phone = await resolved(ingest, CARD), await resolved(ingest, PHONE)
    found = await why(ingest, PHONE)
    assert found["customer_id"] == phone["subject_id"]
    assert {one["masked"] for one in found["subjects"]} == {"139****5678"}
    assert [(one["event_id"], one["state"], one["reason"]) for one in found["links"]] == [
        (first, "refused", "contested"),
        (second, "refused", "contested"),
    ]
    assert {(one["cause"], one["rule_version"], bool(one["said_by"])) for one in found["links"]} == {
        ("seen_together", RULE_VERSION, True)
    }
    body = {"subject_ids": [card["subject_id"], phone["subject_id"]], "reason": "he called"}
    decision = await decided(ingest, f"/v1/identities/{phone['subject_id']}:link", body)
    found = await why(ingest, PHONE)
    assert [(one["decision"], one["actor"]) for one in found["decisions"]] == [("linked", "tests")]
    assert (found["links"][0]["state"], found["links"][0]["event_id"]) == ("made", decision["decision_id"])
    body = {"subject_ids": [phone["subject_id"]], **BECAUSE}
    await decided(ingest, f"/v1/identities/{card['customer_id']}:unmerge", body)
    found = await why(ingest, PHONE)
    assert [one["decision"] for one in found["decisions"]] == ["unmerged", "linked"]
    assert [set(pair) for pair in found["kept_apart"]] == [{card["subject_id"], phone["subject_id"]}]


async def test_what_a_wrong_link_kept_out_holds_once_it_is_taken_back(ingest: Running) -> None:
    wrong = await said_together(ingest, 1, CARD, PHONE)
    await said_together(ingest, 2, OTHER_CARD, PHONE)
    phone, other = await resolved(ingest, PHONE), await resolved(ingest, OTHER_CARD)
    assert phone["customer_id"] == phone["subject_id"]
    await decided(ingest, f"/v1/identities/{phone['subject_id']}:unmerge", {"event_id": wrong, **BECAUSE})
    assert await customers(ingest, PHONE, OTHER_CARD) == [other["subject_id"]] * 2


async def test_nobody_is_explained_whom_nobody_saw(ingest: Running) -> None:
    for path in (f"/v1/identities/{uuid4()}", f"/v1/identities/{uuid4()}/why"):
        answer = await ingest.get(path)
        assert (answer.status_code, answer.json()["code"]) == (404, "identity_not_found")


async def test_an_identity_is_shown_masked_by_any_of_its_ids(ingest: Running) -> None:
    await said_together(ingest, 1, CARD, PHONE)
    phone = await resolved(ingest, PHONE)
    answer = await ingest.get(f"/v1/identities/{phone['subject_id']}")
    assert answer.json()["customer_id"] == phone["customer_id"]
    assert "13912345678" not in answer.text
    assert {one["quarantine"] for one in answer.json()["subjects"]} == {"free"}


# Quarantine.


async def queue(ingest: Running) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = (await ingest.get("/v1/identities/quarantine")).json()["items"]
    return items


async def test_a_quarantined_identifier_links_nobody_until_it_is_released(ingest: Running) -> None:
    await said_together(ingest, 1, CARD)
    card = await resolved(ingest, CARD)
    await decided(ingest, f"/v1/identities/{card['subject_id']}:quarantine", {"reason": "the cashier's own"})
    await said_together(ingest, 2, CARD, PHONE)
    phone = await resolved(ingest, PHONE)
    assert phone["customer_id"] == phone["subject_id"]
    (waiting,) = await queue(ingest)
    assert (waiting["subject_id"], waiting["reason"]) == (card["subject_id"], "the cashier's own")
    assert waiting["masked"] == "****4567"
    await decided(ingest, f"/v1/identities/{card['subject_id']}:release", {"reason": "it was not"})
    assert await customers(ingest, CARD, PHONE) == [card["subject_id"]] * 2
    assert await queue(ingest) == []


async def test_a_cashiers_own_card_is_found_and_put_into_quarantine(ingest: Running) -> None:
    phones = [{"namespace": "phone", "value": f"1391234560{number}"} for number in range(8)]
    for number, phone in enumerate(phones, start=1):
        await said_together(ingest, number, CARD, phone)
    (waiting,) = await queue(ingest)
    assert waiting["reason"] == "shared"
    assert len(set(await customers(ingest, CARD, *phones))) == 9
    (decision,) = [one.data for one in await ingest.envelopes() if isinstance(one.data, IdentityDecidedV1)]
    assert (decision.decision, decision.actor) == ("quarantined", "rule")


async def test_releasing_what_is_free_is_refused(ingest: Running) -> None:
    await said_together(ingest, 1, CARD)
    card = await resolved(ingest, CARD)
    answer = await asked(ingest, f"/v1/identities/{card['subject_id']}:release", BECAUSE)
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "not_in_quarantine")


# Claims.

GUEST = {"store_id": "S01", "terminal_id": "T3", "business_date": "2026-03-01", "sequence_number": 7}
PROOF = {"total_minor": 900, "business_date": "2026-03-01"}


async def test_a_guests_receipt_is_claimed_with_proof_and_given_back(ingest: Running) -> None:
    guest = await said_together(ingest, 7)
    await said_together(ingest, 8, CARD)
    card = await resolved(ingest, CARD)
    claim = {"receipt": GUEST, "proof": PROOF, "identifier": CARD}
    decision = await decided(ingest, "/v1/identities/claims", claim)
    assert decision["about_event_id"] == guest
    assert (await ingest.get(f"/v1/events/{guest}")).json()["customer_id"] == card["customer_id"]
    (claimed,) = [one for one in await ingest.envelopes() if getattr(one.data, "cause", "") == "claimed"]
    assert claimed.subject_kind == "guest"
    await decided(ingest, f"/v1/identities/claims/{guest}:undo", {"reason": "another's after all"})
    assert (await ingest.get(f"/v1/events/{guest}")).json()["customer_id"] != card["customer_id"]
    again = await ingest.post(f"/v1/identities/claims/{guest}:undo", BECAUSE)
    assert (again.status_code, again.json()["code"]) == (404, "decision_not_found")
    await decided(ingest, "/v1/identities/claims", {**claim, "receipt": None, "message_id": guest})
    assert (await ingest.get(f"/v1/events/{guest}")).json()["customer_id"] == card["customer_id"]


async def test_a_claim_twice_is_one_and_by_another_is_refused(ingest: Running) -> None:
    await said_together(ingest, 7)
    await said_together(ingest, 8, CARD)
    await said_together(ingest, 9, OTHER_CARD)
    claim = {"receipt": GUEST, "proof": PROOF, "identifier": CARD}
    assert (await decided(ingest, "/v1/identities/claims", claim))["moved"] == 1
    assert (await decided(ingest, "/v1/identities/claims", claim))["moved"] == 0
    answer = await asked(ingest, "/v1/identities/claims", {**claim, "identifier": OTHER_CARD})
    assert (answer.status_code, answer.json()["errors"][0]["code"]) == (409, "already_claimed")


async def test_wrong_proofs_are_told_apart_from_no_receipt_by_nobody_and_are_limited(ingest: Running) -> None:
    await said_together(ingest, 7)
    await said_together(ingest, 8, CARD)
    wrong = {"receipt": GUEST, "proof": {**PROOF, "total_minor": 901}, "identifier": CARD}
    missing = {**wrong, "receipt": {**GUEST, "sequence_number": 70}}
    answers = [await ingest.post("/v1/identities/claims", body) for body in (wrong, missing)]
    assert {(one.status_code, one.json()["code"], one.json()["message"]) for one in answers} == {
        (422, "claim_not_proved", "no guest's receipt with this key, total and day")
    }
    for _ in range(4):
        assert (await ingest.post("/v1/identities/claims", wrong)).status_code == 422
    right = {**wrong, "proof": PROOF}
    locked = await ingest.post("/v1/identities/claims", right)
    assert (locked.status_code, locked.json()["code"]) == (409, "claim_locked")


async def test_a_customers_own_receipt_is_nobodys_to_claim(ingest: Running) -> None:
    await said_together(ingest, 7, OTHER_CARD)
    await said_together(ingest, 8, CARD)
    answer = await ingest.post("/v1/identities/claims", {"receipt": GUEST, "proof": PROOF, "identifier": CARD})
    assert (answer.status_code, answer.json()["code"]) == (422, "claim_not_proved")


@pytest.mark.parametrize("proof", [{"business_date": "2026-03-02"}, {"total_minor": 901}])
async def test_both_the_total_and_the_day_prove_a_claim(ingest: Running, proof: dict[str, Any]) -> None:
    await said_together(ingest, 7)
    await said_together(ingest, 8, CARD)
    claim = {"receipt": GUEST, "proof": PROOF | proof, "identifier": CARD}
    answer = await ingest.post("/v1/identities/claims", claim)
    assert (answer.status_code, answer.json()["code"]) == (422, "claim_not_proved")


async def test_a_store_claims_for_its_customers_what_it_sold_itself(ingest: Running) -> None:
    """Whoever guesses at another store's receipts is not even told that there are any."""
    await ingest.results("/v1/receipts", receipt(7, store_id="S02", identifiers=[]))
    await said_together(ingest, 8, CARD)
    claim = {"receipt": {**GUEST, "store_id": "S02"}, "proof": PROOF, "identifier": CARD}
    refused = await ingest.post("/v1/identities/claims", claim, ingest.keys.store)
    assert (refused.status_code, refused.json()["code"]) == (422, "claim_not_proved")
    assert await ingest.count("claim_tries") == 0
    assert (await ingest.post("/v1/identities/claims", claim)).status_code in {200, 202}


async def test_only_a_known_customer_claims(ingest: Running) -> None:
    await said_together(ingest, 7)
    answer = await ingest.post("/v1/identities/claims", {"receipt": GUEST, "proof": PROOF, "identifier": CARD})
    assert (answer.status_code, answer.json()["code"]) == (404, "identity_not_found")


# Relations.


async def test_a_household_is_a_relation_and_no_merge(ingest: Running) -> None:
    await said_together(ingest, 1, CARD)
    await said_together(ingest, 2, OTHER_CARD)
    one, other = await customers(ingest, CARD, OTHER_CARD)
    headers = {"Authorization": f"Bearer {ingest.keys.admin}"}
    where = f"/v1/identities/{one}/relations"
    put = await ingest.client.put(where, json={"customer_id": other, "kind": "parent"}, headers=headers)
    assert put.status_code == 200, put.text
    (seen,) = put.json()["relations"]
    assert (seen["customer_id"], seen["kind"], seen["actor"]) == (other, "parent", "tests")
    (back,) = (await ingest.get(f"/v1/identities/{other}/relations")).json()["relations"]
    (told,) = (await ingest.get(f"/v1/subjects/{other}/relations")).json()["relations"]
    assert told == {name: back[name] for name in ("customer_id", "kind", "since")}
    assert (back["customer_id"], back["kind"]) == (one, "child")
    assert await customers(ingest, CARD, OTHER_CARD) == [one, other]
    gone = await ingest.client.delete(f"{where}/{other}/parent", headers=headers)
    assert gone.status_code == 204
    assert (await ingest.get(f"/v1/identities/{other}/relations")).json()["relations"] == []
    again = await ingest.client.delete(f"{where}/{other}/parent", headers=headers)
    assert (again.status_code, again.json()["code"]) == (404, "relation_not_found")
    itself = await ingest.client.put(where, json={"customer_id": one, "kind": "spouse"}, headers=headers)
    assert (itself.status_code, itself.json()["code"]) == (422, "not_theirs")
    await ingest.number()
    assert UUID(one) not in {item.subject_id for item in await assignments(ingest) if item.version > 1}

"""A return or void without identifiers is whoever's the original is, whichever of them comes first."""

from collections.abc import Sequence
from itertools import permutations
from typing import Any
from uuid import UUID

import pytest

from shared.events import Envelope
from tests.integration.ingest.conftest import Running, receipt

pytestmark = pytest.mark.postgres

PERSON = [{"namespace": "loyalty_card", "value": "6001234567"}]


def original(number: int) -> dict[str, Any]:
    return {"store_id": "S01", "terminal_id": "T3", "business_date": "2026-03-01", "sequence_number": number}


def sale(number: int, **changes: Any) -> dict[str, Any]:
    return receipt(number, **{"identifiers": PERSON, **changes})


def back(number: int, of: int, **changes: Any) -> dict[str, Any]:
    return receipt(number, **{"kind": "return", "identifiers": [], "returns_of": original(of), **changes})


def void(number: int, of: int) -> dict[str, Any]:
    return receipt(number, kind="void", identifiers=[], lines=[], tenders=[], returns_of=original(of))


async def customers(ingest: Running) -> dict[int, UUID]:
    """Return whose each receipt is, by its number, as consumers fold it."""
    rows = await ingest.database.fetch("SELECT subject_id, customer_id FROM assignments")
    assigned = {row["subject_id"]: row["customer_id"] for row in rows}
    return {
        one.data.sequence_number: assigned.get(one.subject_id, one.subject_id)
        for one in await ingest.envelopes()
        if hasattr(one.data, "sequence_number")
    }


async def numbered(ingest: Running, number: int) -> Envelope[Any]:
    return next(one for one in await ingest.envelopes() if getattr(one.data, "sequence_number", 0) == number)


async def arrive(ingest: Running, receipts: Sequence[dict[str, Any]], *, numbered_each: bool) -> None:
    for one in receipts:
        (result,) = await ingest.results("/v1/receipts", one)
        assert result["status"] in {"accepted", "repeat"}, result
        if numbered_each:
            await ingest.number()
    await ingest.number()


@pytest.mark.parametrize("numbered_each", [True, False])
async def test_a_return_belongs_to_the_sales_customer_whichever_comes_first(
    ingest: Running, *, numbered_each: bool
) -> None:
    for place, order in enumerate(permutations(range(3))):
        first = 10 * place + 1
        history = [sale(first), back(first + 1, first), void(first + 2, first)]
        await arrive(ingest, [history[number] for number in order] * 2, numbered_each=numbered_each)
        whose = await customers(ingest)
        assert len({whose[first + number] for number in range(3)}) == 1, order
    assert len(set(whose.values())) == 1
    assert await ingest.count("awaited_originals") == 0


async def test_a_return_of_a_guests_sale_goes_along_when_the_sale_is_claimed(ingest: Running) -> None:
    await ingest.results("/v1/receipts", sale(9))
    await arrive(ingest, [back(2, 1), sale(1, identifiers=[])], numbered_each=True)
    before = await customers(ingest)
    assert before[1] == before[2] != before[9]
    total = sum(line["amount_minor"] for line in receipt()["lines"])
    claim = {
        "receipt": original(1),
        "proof": {"total_minor": total, "business_date": "2026-03-01"},
        "identifier": PERSON[0],
    }
    answer = await ingest.post("/v1/identities/claims", claim)
    assert answer.status_code in {200, 202}, answer.text
    await ingest.number()
    whose = await customers(ingest)
    assert whose[1] == whose[2] == whose[9]
    message_id = (await numbered(ingest, 1)).event_id
    await ingest.post(f"/v1/identities/claims/{message_id}:undo", {"reason": "not hers"})
    await ingest.number()
    undone = await customers(ingest)
    assert undone[1] == undone[2] != undone[9]


async def test_an_unmerge_takes_the_return_along(ingest: Running) -> None:
    both = [*PERSON, {"namespace": "phone", "value": "13912345678"}]
    phone = both[1:]
    told = [back(2, 1), sale(1, identifiers=phone), sale(3), sale(4, identifiers=both)]
    await arrive(ingest, told, numbered_each=True)
    together = await customers(ingest)
    assert together[1] == together[2] == together[3] == together[4]
    subject = (await numbered(ingest, 1)).subject_id
    await ingest.post(f"/v1/identities/{subject}:unmerge", {"subject_ids": [str(subject)], "reason": "a family"})
    await ingest.number()
    apart = await customers(ingest)
    assert apart[1] == apart[2] != apart[3]


async def test_a_return_whose_original_never_comes_stays_a_guests(ingest: Running) -> None:
    await arrive(ingest, [back(2, 1)], numbered_each=True)
    (envelope,) = await ingest.envelopes()
    assert envelope.subject_kind == "guest"
    assert await ingest.count("assignments") == 0
    assert await ingest.count("awaited_originals") == 1


async def test_an_employees_return_follows_nobody(ingest: Running) -> None:
    own = back(2, 1, employee=True, identifiers=PERSON)
    await arrive(ingest, [own, sale(1)], numbered_each=True)
    whose = await customers(ingest)
    assert whose[1] != whose[2]
    assert await ingest.count("awaited_originals") == 0

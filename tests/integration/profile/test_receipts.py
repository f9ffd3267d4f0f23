"""Receipts, returns and voids become totals, whatever order they come in."""

from datetime import timedelta
from typing import Any

import pytest

from shared.db import Database
from tests.integration.profile.conftest import Api
from tests.integration.profile.histories import (
    ANNA,
    BORIS,
    NOON,
    apply,
    named,
    receipt,
    returns_of,
    void,
)

pytestmark = pytest.mark.postgres


async def totals(api: Api, customer: Any = ANNA) -> dict[str, Any]:
    answer = await api.get(f"/v1/customers/{customer}")
    assert answer.status_code == 200, answer.text
    found: dict[str, Any] = answer.json()["totals"]
    return found


async def test_a_receipt_counts(api: Api, database: Database) -> None:
    lines = [("P1", "2", 900), ("P2", "0.486", 1934)]
    await apply(database, receipt(lines=lines))
    assert await totals(api) == {
        "receipts": 1,
        "returns": 0,
        "items": 3,
        "gross_minor": 2834,
        "net_minor": 2834,
        "currency": "USD",
        "first_at": "2026-03-02T17:00:00Z",
        "last_at": "2026-03-02T17:00:00Z",
        "other_currencies": [],
    }


async def test_redelivered_receipt_counts_once(api: Api, database: Database) -> None:
    await apply(database, receipt(), receipt())
    await apply(database, receipt())
    assert (await totals(api))["gross_minor"] == 1000


async def test_a_training_receipt_counts_nowhere(api: Api, database: Database) -> None:
    await apply(database, receipt(training=True))
    assert (await totals(api))["receipts"] == 0
    assert (await api.get("/v1/stores/S1")).json()["totals"][0]["receipts"] == 0


async def test_a_training_void_takes_nothing_back(api: Api, database: Database) -> None:
    await apply(database, receipt(), void(training=True))
    assert (await totals(api))["receipts"] == 1


async def test_a_return_lowers_net_and_not_gross(api: Api, database: Database) -> None:
    back = receipt("back", kind="return", lines=[("P1", "1", 400)], returns_of=returns_of())
    await apply(database, back)
    assert (await totals(api))["net_minor"] == -400
    await apply(database, receipt())
    found = await totals(api)
    assert (found["receipts"], found["returns"]) == (1, 1)
    assert (found["gross_minor"], found["net_minor"], found["items"]) == (1000, 600, 1)


async def test_an_exchange_is_a_sale_and_a_return(api: Api, database: Database) -> None:
    lines = [("P1", "1", 1500), ("P2", "1", 600)]
    await apply(database, receipt(kind="exchange", lines=lines, returned=[2]))
    found = await totals(api)
    assert (found["receipts"], found["returns"], found["items"]) == (1, 1, 1)
    assert (found["gross_minor"], found["net_minor"]) == (1500, 900)


@pytest.mark.parametrize("first", ["sale", "void"])
async def test_a_void_removes_the_sale_it_names(api: Api, database: Database, first: str) -> None:
    for event in (void(), receipt()) if first == "void" else (receipt(), void()):
        await apply(database, event)
    found = await totals(api)
    assert (found["receipts"], found["gross_minor"], found["net_minor"]) == (0, 0, 0)
    assert found["first_at"] is None


async def test_a_void_of_a_receipt_that_never_came_lowers_net(api: Api, database: Database) -> None:
    await apply(database, receipt("other"), void(of="unseen", amount_minor=300))
    found = await totals(api)
    assert (found["receipts"], found["gross_minor"], found["net_minor"]) == (1, 1000, 700)


async def test_a_voided_first_visit_gives_its_place_to_the_next(api: Api, database: Database) -> None:
    later = NOON + timedelta(days=3)
    await apply(database, receipt("r1"), receipt("r2", at=later), void(of="r1"))
    assert (await totals(api))["first_at"] == "2026-03-05T17:00:00Z"


@pytest.mark.parametrize("first", ["sale", "void"])
async def test_a_void_under_another_name_finds_its_sale(api: Api, database: Database, first: str) -> None:
    sale, undone = receipt(subject_id=BORIS, store_id="S1"), void(subject_id=ANNA, store_id="S2")
    for event in (undone, sale) if first == "void" else (sale, undone):
        await apply(database, event)
    assert (await totals(api, ANNA))["net_minor"] == 0
    assert (await totals(api, BORIS))["net_minor"] == 0
    figures = {store: (await api.get(f"/v1/stores/{store}")).json()["totals"][0] for store in ("S1", "S2")}
    assert figures["S1"]["net_minor"] == figures["S2"]["net_minor"] == 0


async def test_two_voids_of_one_sale_take_it_back_once(api: Api, database: Database) -> None:
    await apply(database, receipt("r1"), receipt("r2"), void("v1", of="r1"), void("v2", of="r1"))
    assert (await totals(api))["net_minor"] == 1000


async def test_other_currencies_stand_apart(api: Api, database: Database) -> None:
    await apply(
        database,
        receipt("r1"),
        receipt("r2"),
        receipt("r3", currency="EUR", at=NOON + timedelta(days=9), lines=[("P1", "1", 70)]),
    )
    found = await totals(api)
    assert (found["currency"], found["gross_minor"]) == ("USD", 2000)
    assert found["last_at"] == "2026-03-11T17:00:00Z"
    (other,) = found["other_currencies"]
    assert (other["currency"], other["receipts"], other["gross_minor"]) == ("EUR", 1, 70)


async def test_rule_13_store_totals_have_the_partition_in_their_key(api: Api, database: Database) -> None:
    await apply(database, *(receipt(f"r{n}", subject_id=named(f"shopper {n}")) for n in range(20)))
    rows = await database.fetch("SELECT partition, receipts FROM store_totals")
    assert len(rows) > 1
    figures = (await api.get("/v1/stores/S1")).json()["totals"][0]
    assert figures["receipts"] == sum(row["receipts"] for row in rows) == 20


async def test_rule_16_a_guest_counts_for_the_store_and_is_no_customer(api: Api, database: Database) -> None:
    guest = receipt(subject_id=None)
    await apply(database, guest)
    assert (await api.get("/v1/stores/S1")).json()["totals"][0]["receipts"] == 1
    assert (await api.get(f"/v1/customers/{guest.subject_id}")).status_code == 404

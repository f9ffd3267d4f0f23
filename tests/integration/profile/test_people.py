"""Subjects become customers: linked, unlinked, described, asked, and forgotten."""

from datetime import timedelta

import pytest

from services.profile.handlers import refresh
from shared.clock import FixedClock
from shared.db import Database
from shared.identity import guest_subject_id
from tests.integration.profile.conftest import Api
from tests.integration.profile.histories import (
    ANNA,
    BORIS,
    CARD,
    CHAIN,
    NOON,
    apply,
    assigned,
    attributes,
    consent,
    derived_tables,
    erased,
    named,
    product,
    receipt,
    store,
    void,
)

pytestmark = pytest.mark.postgres


async def test_rule_12_linked_subjects_are_one_customer(api: Api, database: Database) -> None:
    await apply(database, receipt("r1"), receipt("r2", subject_id=CARD), assigned(CARD, ANNA, 1, masked="****4567"))
    found = (await api.get(f"/v1/customers/{ANNA}")).json()
    assert found["totals"]["receipts"] == 2
    assert found["identifiers"] == [{"namespace": "loyalty_card", "masked": "****4567"}]


async def test_an_absorbed_customers_id_answers_as_the_one_that_absorbed_it(api: Api, database: Database) -> None:
    await apply(database, receipt("r1"), receipt("r2", subject_id=CARD), assigned(CARD, ANNA, 1))
    assert (await api.get(f"/v1/customers/{CARD}")).json()["customer_id"] == str(ANNA)


async def test_an_unmerge_gives_both_back_as_they_were(api: Api, database: Database) -> None:
    await apply(database, receipt("r1"), receipt("r2", subject_id=CARD))
    before = await derived_tables(database, without=["assignments", "subjects"])
    await apply(database, assigned(CARD, ANNA, 1))
    await apply(database, assigned(CARD, CARD, 2))
    assert await derived_tables(database, without=["assignments", "subjects"]) == before
    for customer_id in (ANNA, CARD):
        found = (await api.get(f"/v1/customers/{customer_id}")).json()
        assert (found["customer_id"], found["totals"]["receipts"]) == (str(customer_id), 1)


async def test_a_claimed_guest_receipt_becomes_the_customers(api: Api, database: Database) -> None:
    guest = receipt("r1", subject_id=None)
    await apply(database, guest, assigned(guest.subject_id, ANNA, 1, kind="guest"), receipt("r2"))
    assert (await api.get(f"/v1/customers/{ANNA}")).json()["totals"]["receipts"] == 2


async def test_the_latest_value_of_an_attribute_holds_across_subjects(api: Api, database: Database) -> None:
    later = NOON + timedelta(hours=1)
    await apply(
        database,
        attributes("a1", {"city": "Wuhan", "kids": 1}),
        attributes("a2", {"city": "Lima"}, subject_id=CARD, at=later),
        attributes("a3", {"kids": None}, at=later),
        assigned(CARD, ANNA, 1),
    )
    assert (await api.get(f"/v1/customers/{ANNA}")).json()["attributes"] == {"city": "Lima"}


async def test_a_withdrawal_by_one_subject_outweighs_a_later_grant_by_another(api: Api, database: Database) -> None:
    await apply(
        database,
        consent("c1", "withdrawn"),
        consent("c2", "granted", subject_id=CARD, at=NOON + timedelta(days=1)),
        assigned(CARD, ANNA, 1),
    )
    (found,) = (await api.get(f"/v1/customers/{ANNA}/consents")).json()["consents"]
    assert (found["channel"], found["purpose"], found["state"]) == ("email", "marketing", "withdrawn")


async def test_a_grant_after_a_withdrawal_of_the_same_subject_holds(api: Api, database: Database) -> None:
    await apply(database, consent("c2", at=NOON + timedelta(days=1)), consent("c1", "withdrawn"))
    (found,) = (await api.get(f"/v1/customers/{ANNA}")).json()["consents"]
    assert found["state"] == "granted"


async def test_favourites_follow_the_catalogue_as_it_is_now(api: Api, database: Database) -> None:
    lines = [("P1", "1", 900), ("P2", "1", 100)]
    await apply(database, receipt(lines=lines), product("P1", "GROCERY", "CHEESE"), product("P2", "DRUG"))
    found = (await api.get(f"/v1/customers/{ANNA}")).json()["favourite_categories"]
    assert found[0] == {"category": "CHEESE", "amount_minor": 900, "purchases": 1, "share": 0.9}
    await apply(database, product("P1", "GROCERY", "MILK", at=NOON + timedelta(days=1)))
    found = (await api.get(f"/v1/customers/{ANNA}")).json()["favourite_categories"]
    assert [each["category"] for each in found] == ["MILK", "DRUG"]


async def test_what_was_given_back_is_no_favourite(api: Api, database: Database) -> None:
    back = receipt("back", kind="return", lines=[("P1", "1", 1000)])
    await apply(database, receipt(), back, product("P1", "GROCERY", "CHEESE"))
    assert (await api.get(f"/v1/customers/{ANNA}")).json()["favourite_categories"] == []


async def test_the_usual_hour_is_the_stores_own(api: Api, database: Database) -> None:
    await apply(database, receipt())
    assert (await api.get(f"/v1/customers/{ANNA}")).json()["usual_hour"] == 12
    await apply(database, store("S1", "Huaihai Road", "Asia/Shanghai"))
    found = (await api.get(f"/v1/customers/{ANNA}")).json()
    assert (found["usual_hour"], found["usual_store_id"]) == (1, "S1")


async def test_an_erased_customer_is_forgotten_and_the_store_keeps_its_sales(api: Api, database: Database) -> None:
    await apply(database, receipt(), receipt("r2"), void(of="r2"), attributes("a", {"city": "Wuhan"}), consent("c"))
    await refresh.refresh(database, FixedClock(NOON), CHAIN)
    await api.client.put(f"/v1/customers/{ANNA}/tags", json={"tags": ["vip"]})
    await apply(database, erased(ANNA, ANNA))
    assert (await api.get(f"/v1/customers/{ANNA}")).status_code == 404
    assert (await api.get("/v1/stores/S1")).json()["totals"][0]["gross_minor"] == 1000
    for table in ("tags", "transitions", "customers", "attributes", "consents", "subjects", "moments"):
        assert await database.fetchval(f"SELECT count(*) FROM {table}") == 0, table


async def test_what_comes_after_an_erasure_is_a_guests(database: Database) -> None:
    await apply(database, erased(ANNA, ANNA))
    late = receipt()
    await apply(database, late, attributes("a", {"city": "Wuhan"}))
    assert await database.fetchval("SELECT subject_id FROM receipts") == guest_subject_id(late.event_id)
    assert await database.fetchval("SELECT count(*) FROM attributes") == 0


async def test_an_erased_history_equals_one_that_was_a_guests_from_the_start(database: Database) -> None:
    await apply(database, receipt("r1"), receipt("r2", store_id="S2"), void(of="r1"), consent("c"))
    await apply(database, erased(ANNA, ANNA))
    rewritten = await derived_tables(database, without=["erased_subjects"])
    names = ", ".join(rewritten)
    await database.execute(f"TRUNCATE {names}")
    await apply(
        database,
        receipt("r1", subject_id=None),
        receipt("r2", subject_id=None, store_id="S2"),
        void(of="r1", subject_id=None),
    )
    assert await derived_tables(database, without=["erased_subjects"]) == rewritten


async def test_a_device_that_nobody_was_found_for_is_no_customer(api: Api, database: Database) -> None:
    device = named("device")
    await apply(database, assigned(BORIS, BORIS, 1))
    assert (await api.get(f"/v1/customers/{device}")).status_code == 404
    assert (await api.get(f"/v1/customers/{BORIS}")).status_code == 200

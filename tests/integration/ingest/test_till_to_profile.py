"""Every kind of receipt that a till knows, from the wire to the figures of its customer and its store."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from regulars.embedded.postgres import EmbeddedPostgres
from services.profile.app import MIGRATIONS
from shared import migrations
from shared.db import Database
from tests.fixtures.postgres import fresh_database
from tests.integration.ingest.conftest import Running, receipt
from tests.integration.profile.histories import SUBSCRIPTION, empty

pytestmark = pytest.mark.postgres

ORIGINAL = {"store_id": "S01", "terminal_id": "T3", "business_date": "2026-03-01", "sequence_number": 1}
COUNTED = ("receipts", "returns", "items", "gross_minor", "returned_minor")


@dataclass
class Chain:
    """A till's way in and the profile at its end."""

    ingest: Running
    profile: Database

    async def ring_up(self, *receipts: dict[str, Any]) -> list[str]:
        """Send receipts, number them, and give the profile all that was ever said; return their message ids."""
        results = await self.ingest.results("/v1/receipts", {"receipts": list(receipts)})
        assert [one["status"] for one in results] == ["accepted"] * len(receipts), results
        await self.ingest.number()
        async with self.profile.transaction() as tx:
            await SUBSCRIPTION.dispatch(tx, await self.ingest.envelopes())
        return [one["message_id"] for one in results]

    async def customers(self) -> dict[str, int]:
        """Return what all customers' figures come to; guests are nobody's."""
        return await self._figures("subject_totals JOIN subjects USING (subject_id)")

    async def stores(self) -> dict[str, int]:
        return await self._figures("store_totals")

    async def _figures(self, table: str) -> dict[str, int]:
        sums = ", ".join(f"coalesce(sum({name}), 0)::bigint AS {name}" for name in (*COUNTED, "unknown_void_minor"))
        row = dict(await self.profile.fetchrow(f"SELECT {sums} FROM {table}") or {})
        unknown = row.pop("unknown_void_minor")
        return {**row, "net_minor": row["gross_minor"] - row["returned_minor"] - unknown}


@pytest.fixture(scope="module")
def profile_dsn(postgres: EmbeddedPostgres) -> Iterator[str]:
    for dsn in fresh_database(postgres):
        migrations.upgrade(dsn, MIGRATIONS)
        yield dsn


@pytest.fixture
async def chain(ingest: Running, profile_dsn: str) -> AsyncIterator[Chain]:
    profile = await Database.connect(profile_dsn, application="tests")
    try:
        await empty(profile)
        yield Chain(ingest, profile)
    finally:
        await profile.close()


def figures(receipts: int = 0, returns: int = 0, items: int = 0, gross: int = 0, back: int = 0) -> dict[str, int]:
    return {
        "receipts": receipts,
        "returns": returns,
        "items": items,
        "gross_minor": gross,
        "returned_minor": back,
        "net_minor": gross - back,
    }


NOTHING = figures()
ONE_SALE = figures(receipts=1, items=2, gross=900)


def line(number: int, amount_minor: int, quantity: str = "1", **more: Any) -> dict[str, Any]:
    return {
        "line_number": number,
        "product_id": f"P{number}",
        "quantity": quantity,
        "unit_price_minor": amount_minor,
        "amount_minor": amount_minor,
        **more,
    }


async def test_a_sale_counts_for_its_customer_and_its_store(chain: Chain) -> None:
    await chain.ring_up(receipt())
    assert await chain.customers() == await chain.stores() == ONE_SALE


async def test_a_sale_in_training_mode_counts_nowhere(chain: Chain) -> None:
    await chain.ring_up(receipt(training=True))
    assert await chain.customers() == await chain.stores() == NOTHING


async def test_a_suspended_receipt_counts_nowhere_until_it_is_completed_under_its_number(chain: Chain) -> None:
    await chain.ring_up(receipt(status="suspended", tenders=[]))
    assert await chain.customers() == await chain.stores() == NOTHING
    await chain.ring_up(receipt())
    assert await chain.customers() == await chain.stores() == ONE_SALE


async def test_a_suspended_receipt_that_comes_after_its_completion_changes_nothing(chain: Chain) -> None:
    await chain.ring_up(receipt())
    await chain.ring_up(receipt(status="suspended"))
    again = await chain.ingest.results("/v1/receipts", {"receipts": [receipt(status="suspended"), receipt()]})
    assert [one["status"] for one in again] == ["repeat", "repeat"]
    assert await chain.customers() == await chain.stores() == ONE_SALE


async def test_a_suspended_receipt_completed_under_a_new_number_counts_once(chain: Chain) -> None:
    await chain.ring_up(receipt(1, status="suspended"), receipt(2))
    assert await chain.customers() == ONE_SALE


async def test_a_receipt_given_up_unpaid_counts_nowhere_and_needs_no_lines(chain: Chain) -> None:
    await chain.ring_up(receipt(1, status="cancelled", lines=[], tenders=[]), receipt(2, status="cancelled"))
    await chain.ring_up(receipt(3, kind="void", lines=[], returns_of={**ORIGINAL, "sequence_number": 2}))
    assert await chain.customers() == await chain.stores() == NOTHING


@pytest.mark.parametrize("returned_first", [False, True])
async def test_a_linked_return_lowers_net_whatever_comes_first(chain: Chain, *, returned_first: bool) -> None:
    back = receipt(
        2,
        kind="return",
        identifiers=[],
        lines=[line(1, 450)],
        returns_of={**ORIGINAL, "lines": [{"line_number": 1, "quantity": "1"}]},
    )
    for one in (back, receipt()) if returned_first else (receipt(), back):
        await chain.ring_up(one)
    expected = figures(receipts=1, returns=1, items=2, gross=900, back=450)
    assert await chain.stores() == expected
    # One that came before its sale, without any identifier, is whoever's the sale is too.
    assert await chain.customers() == expected


async def test_an_unlinked_return_in_another_store_lowers_the_customers_net(chain: Chain) -> None:
    await chain.ring_up(receipt(), receipt(7, kind="return", store_id="S02", lines=[line(1, 300)]))
    assert await chain.customers() == figures(receipts=1, returns=1, items=2, gross=900, back=300)
    by_store = await chain.profile.fetch("SELECT store_id, sum(returned_minor)::int FROM store_totals GROUP BY 1")
    assert dict(tuple(row) for row in by_store) == {"S01": 0, "S02": 300}


async def test_a_return_in_another_store_that_names_its_sale_belongs_to_the_sales_customer(chain: Chain) -> None:
    await chain.ring_up(receipt())
    away = receipt(7, kind="return", store_id="S02", identifiers=[], lines=[line(1, 300)], returns_of=ORIGINAL)
    await chain.ring_up(away)
    assert await chain.customers() == figures(receipts=1, returns=1, items=2, gross=900, back=300)


async def test_an_exchange_is_a_sale_and_a_return(chain: Chain) -> None:
    swapped = [line(1, 1500), line(2, 600, returned=True)]
    await chain.ring_up(receipt(kind="exchange", lines=swapped, tenders=[{"kind": "card", "amount_minor": 900}]))
    assert await chain.customers() == figures(receipts=1, returns=1, items=1, gross=1500, back=600)


@pytest.mark.parametrize("voided_first", [False, True])
async def test_a_void_takes_its_sale_back_whatever_comes_first(chain: Chain, *, voided_first: bool) -> None:
    void = receipt(2, kind="void", lines=[], tenders=[], returns_of=ORIGINAL, amount_minor=900)
    for one in (void, receipt()) if voided_first else (receipt(), void):
        await chain.ring_up(one)
    assert await chain.customers() == await chain.stores() == NOTHING


async def test_a_void_on_a_later_day_takes_its_sale_back(chain: Chain) -> None:
    await chain.ring_up(receipt())
    later = {"business_date": "2026-03-02", "occurred_at": "2026-03-02T10:00:00+08:00"}
    await chain.ring_up(
        receipt(1, kind="void", lines=[], tenders=[], returns_of=ORIGINAL, reason="wrong till", **later)
    )
    assert await chain.customers() == await chain.stores() == NOTHING


async def test_several_tenders_and_every_kind_of_discount_come_to_what_was_paid(chain: Chain) -> None:
    lines = [line(1, 900, "2", discounts=[{"kind": "coupon", "code": "SPRING", "amount_minor": 100}]), line(2, 600)]
    tenders = [
        {"kind": "gift_card", "amount_minor": 400, "reference": "gc-1"},
        {"kind": "points", "amount_minor": 200},
        {"kind": "wechat", "amount_minor": 600},
    ]
    off = [{"kind": "employee_card", "amount_minor": 200}, {"kind": "coupon", "code": "TEN", "amount_minor": 100}]
    await chain.ring_up(receipt(lines=lines, discounts=off, tenders=tenders, coupons=["PAPER-7"]))
    (envelope,) = [one for one in await chain.ingest.envelopes() if one.type == "ReceiptRecorded"]
    assert envelope.data.coupons == ("PAPER-7", "TEN", "SPRING")
    assert sum(one.amount_minor for one in envelope.data.tenders) == envelope.data.sold_minor == 1200
    assert await chain.customers() == figures(receipts=1, items=3, gross=1200)


async def test_weighed_goods_keep_their_quantity_and_unit_and_are_one_item(chain: Chain) -> None:
    await chain.ring_up(receipt(lines=[line(1, 1934, "0.486", unit="kg"), line(2, 500, "3")]))
    (envelope,) = [one for one in await chain.ingest.envelopes() if one.type == "ReceiptRecorded"]
    assert [(one.quantity, one.unit) for one in envelope.data.lines] == [("0.486", "kg"), ("3", None)]
    assert await chain.customers() == figures(receipts=1, items=4, gross=2434)


async def test_an_employees_own_purchase_counts_for_the_store_and_for_nobody(chain: Chain) -> None:
    (message_id,) = await chain.ring_up(receipt(employee=True))
    (envelope,) = await chain.ingest.envelopes()
    assert (envelope.subject_kind, envelope.data.employee) == ("guest", True)
    assert await chain.ingest.count("subjects") == 0
    assert await chain.stores() == ONE_SALE
    assert await chain.customers() == NOTHING
    (again,) = await chain.ingest.results("/v1/receipts", receipt(employee=True))
    assert (again["status"], again["message_id"]) == ("repeat", message_id)


async def test_an_employees_purchase_is_sealed_under_the_key_that_is_destroyed_with_the_employee(
    chain: Chain,
) -> None:
    await chain.ring_up(receipt(1), receipt(2, employee=True))
    owners = await chain.ingest.database.fetch("SELECT DISTINCT key_id FROM originals")
    assert len(owners) == 1


@pytest.mark.parametrize("status", ["suspended", "cancelled"])
async def test_a_void_is_finished_or_refused(ingest: Running, status: str) -> None:
    (refused,) = await ingest.results("/v1/receipts", receipt(kind="void", returns_of=ORIGINAL, status=status))
    assert (refused["status"], refused["field"]) == ("refused", "/status")
    assert "cancelled" in refused["message"]

"""Orders that a shop edits after they were taken: the figures are those of the last edit, whatever came when."""

import asyncio
from collections.abc import Iterable, Sequence
from itertools import permutations
from typing import Any

import pytest

from shared.events import Envelope
from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from tests.integration.ingest.conftest import Running
from tests.integration.ingest.test_clients import order as client_order
from tests.integration.ingest.test_webhooks import CUSTOMER, LINE, ORDER, REFUND, connect, hook, statuses

pytestmark = pytest.mark.postgres

TEA = {"id": 2, "sku": "P200", "quantity": 1, "price": "5.00", "current_quantity": 1}
FIRST = {**LINE, "id": 1, "current_quantity": 2}
TAKEN = {**ORDER, "updated_at": "2026-03-01T09:30:00+08:00", "current_total_price": "18.05", "line_items": [FIRST]}
ADDED = {
    **TAKEN,
    "updated_at": "2026-03-01T10:00:00+08:00",
    "total_price": "23.05",
    "current_total_price": "23.05",
    "line_items": [FIRST, TEA],
}
REMOVED = {
    **ADDED,
    "updated_at": "2026-03-01T11:00:00+08:00",
    "current_total_price": "14.03",
    "line_items": [{**FIRST, "current_quantity": 1}, TEA],
    "refunds": [{"id": 5, "transactions": [], "refund_line_items": [{"line_item_id": 1, "quantity": 1}]}],
}
PAID_BACK = {**REMOVED, "updated_at": "2026-03-02T10:00:00+08:00", "refunds": [REFUND]}
ANOTHERS = {
    "customer": {**CUSTOMER, "id": 9, "email": "wu@example.com"},
    "updated_at": "2026-03-01T10:30:00+08:00",
}
History = Sequence[tuple[str, dict[str, Any]]]


def net_minor(envelopes: Iterable[Envelope[Any]]) -> tuple[int, int]:
    """Return how many sales count, and what they come to less what came back."""
    said = [envelope.data for envelope in envelopes]
    voided = {one.voids_receipt_id for one in said if isinstance(one, ReceiptVoidedV1)}
    receipts = [one for one in said if isinstance(one, ReceiptRecordedV1) and one.receipt_id not in voided]
    sales = [one for one in receipts if one.kind == "sale"]
    return len(sales), sum(one.sold_minor for one in sales) - sum(one.returned_minor for one in receipts)


async def sent(ingest: Running, history: History) -> None:
    for number, (topic, document) in enumerate(history):
        answer = await hook(ingest, topic, document, f"w{number}")
        assert answer.status_code == 200
        assert {one["status"] for one in answer.json()["results"]} <= {"accepted", "repeat", "dropped"}


async def test_an_edit_voids_the_first_receipt_and_records_another_of_the_same_day(ingest: Running) -> None:
    await connect(ingest)
    assert await statuses(ingest, "orders/create", TAKEN) == ["accepted"]
    assert await statuses(ingest, "orders/updated", ADDED, "w2") == ["accepted"]
    assert await statuses(ingest, "orders/updated", ADDED, "w2") == ["repeat"]
    first, second, void = sorted(await ingest.envelopes(), key=lambda one: (type(one.data).__name__, one.received_at))
    assert isinstance(void.data, ReceiptVoidedV1)
    assert void.data.voids_receipt_id == first.event_id
    assert (void.data.amount_minor, void.data.reason) == (1805, "the order was edited")
    assert void.data.receipt_id == void.event_id
    assert void.data.replaced_by_receipt_id == second.event_id
    assert (second.data.receipt_id, second.occurred_at) == (second.event_id, first.occurred_at)
    assert [line.product_id for line in second.data.lines] == ["P100", "P200"]
    assert {one.subject_id for one in (first, second, void)} == {first.subject_id}
    assert net_minor(await ingest.envelopes()) == (1, 2305)
    where = (await ingest.get("/v1/events/w2", source="shop-server")).json()
    assert where["event_id"] == str(second.event_id)


async def test_what_changes_nothing_of_the_sale_is_a_repeat(ingest: Running) -> None:
    await connect(ingest)
    await statuses(ingest, "orders/create", TAKEN)
    fulfilled = {**TAKEN, "updated_at": "2026-03-05T09:30:00+08:00", "fulfillment_status": "fulfilled"}
    assert await statuses(ingest, "orders/updated", fulfilled, "w2") == ["repeat"]
    # An edit of before that comes late is overtaken by what is known since.
    answer = (await hook(ingest, "orders/updated", ADDED, "w3")).json()["results"]
    assert [(one["status"], one["code"]) for one in answer] == [("dropped", "superseded")]
    assert net_minor(await ingest.envelopes()) == (1, 1805)
    assert await ingest.count("refusals") == 0


async def test_what_was_taken_out_unpaid_was_never_sold_and_what_is_paid_back_is_a_return(ingest: Running) -> None:
    await connect(ingest)
    await sent(ingest, [("orders/create", TAKEN), ("orders/updated", ADDED), ("orders/updated", REMOVED)])
    assert net_minor(await ingest.envelopes()) == (1, 1403)
    (sale,) = [one.data for one in await ingest.envelopes() if getattr(one.data, "sold_minor", 0) == 1403]
    assert [(line.product_id, line.quantity) for line in sale.lines] == [("P100", "1"), ("P200", "1")]
    await sent(ingest, [("refunds/create", REFUND), ("orders/updated", PAID_BACK)])
    assert net_minor(await ingest.envelopes()) == (1, 1403)


@pytest.mark.parametrize(
    ("history", "net"),
    [
        ([("orders/create", TAKEN), ("orders/updated", ADDED), ("refunds/create", REFUND)], (1, 2305 - 902)),
        ([("orders/create", TAKEN), ("orders/updated", ADDED), ("orders/updated", REMOVED)], (1, 1403)),
        ([("orders/updated", ADDED), ("refunds/create", REFUND), ("orders/updated", PAID_BACK)], (1, 1403)),
        (
            [
                ("orders/create", TAKEN),
                ("orders/updated", ADDED),
                ("orders/cancelled", {**ADDED, "cancelled_at": "2026-03-01T12:00:00+08:00"}),
            ],
            (0, 0),
        ),
        (
            [
                ("orders/create", TAKEN),
                ("orders/updated", {**TAKEN, "updated_at": "2026-03-01T10:00:00+08:00", "customer": None}),
                ("orders/updated", {**ADDED, **ANOTHERS}),
            ],
            (1, 2305),
        ),
    ],
)
async def test_whichever_order_webhooks_come_in_the_figures_are_the_same(
    ingest: Running, history: History, net: tuple[int, int]
) -> None:
    await connect(ingest)
    for number, order in enumerate(permutations(history), start=1):
        numbered = [(topic, of_order(document, number)) for topic, document in order]
        await sent(ingest, [*numbered, *numbered])
        envelopes = [one for one in await ingest.envelopes() if one.data.order_id == str(number)]
        assert net_minor(envelopes) == net, [topic for topic, _ in order]


def of_order(document: dict[str, Any], number: int) -> dict[str, Any]:
    """Return a webhook's document as another order's."""
    return {**document, "order_id": number} if "order_id" in document else {**document, "id": number}


async def test_two_edits_at_once_leave_one_sale(ingest: Running) -> None:
    await connect(ingest)
    await statuses(ingest, "orders/create", TAKEN)
    edits = [
        {**ADDED, "updated_at": f"2026-03-01T10:{minute:02}:00+08:00", "total_price": f"{23 + minute}.05"}
        for minute in range(8)
    ]
    edits = [{**one, "current_total_price": one["total_price"]} for one in edits]
    answers = await asyncio.gather(
        *(hook(ingest, "orders/updated", one, f"w{number}") for number, one in enumerate(edits))
    )
    assert {answer.status_code for answer in answers} == {200}
    assert net_minor(await ingest.envelopes()) == (1, 3005)


async def test_a_cancelled_order_is_edited_no_more(ingest: Running) -> None:
    await connect(ingest)
    await statuses(ingest, "orders/create", TAKEN)
    cancelled = {**TAKEN, "cancelled_at": "2026-03-02T10:01:00+08:00", "updated_at": "2026-03-02T10:01:00+08:00"}
    assert await statuses(ingest, "orders/cancelled", cancelled, "w2") == ["accepted"]
    assert await statuses(ingest, "orders/updated", {**cancelled, "current_total_price": "0.00"}, "w3") == ["repeat"]
    late = {**ADDED, "updated_at": "2026-03-03T10:00:00+08:00"}
    assert await statuses(ingest, "orders/updated", late, "w4") == ["dropped"]
    assert net_minor(await ingest.envelopes()) == (0, 0)


async def test_a_guests_order_that_an_edit_gives_to_a_customer_takes_its_return_along(ingest: Running) -> None:
    await connect(ingest)
    nobody = {**TAKEN, "customer": None, "email": None}
    await sent(ingest, [("orders/create", nobody), ("refunds/create", REFUND)])
    await sent(ingest, [("orders/updated", {**ADDED, "email": None})])
    await ingest.number()
    back = next(one for one in await ingest.envelopes() if getattr(one.data, "kind", "") == "return")
    sale = next(one for one in await ingest.envelopes() if getattr(one.data, "sold_minor", 0) == 2305)
    assert back.subject_kind == "guest"
    asked = "SELECT customer_id FROM assignments WHERE subject_id = $1"
    whose, own = [await ingest.database.fetchval(asked, one.subject_id) for one in (back, sale)]
    assert whose is not None
    assert whose == own


async def test_an_order_that_another_source_told_of_stays_as_that_told_it(ingest: Running) -> None:
    await connect(ingest)
    told = client_order(order_id=str(ORDER["id"]))
    await ingest.send("/v1/track", told)
    assert await statuses(ingest, "orders/updated", ADDED) == ["conflict"]
    assert await ingest.count("web_orders") == 0


async def test_an_edit_from_the_future_is_refused_since_it_would_overtake_all_others(ingest: Running) -> None:
    await connect(ingest)
    answer = await hook(ingest, "orders/updated", {**ADDED, "updated_at": "2199-01-01T00:00:00Z"})
    (result,) = answer.json()["results"]
    assert (result["code"], result["field"]) == ("time_out_of_range", "/document/updated_at")

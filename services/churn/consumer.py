"""What the churn service consumes: each event type, and how its payload becomes facts."""

from collections.abc import Iterator, Sequence
from datetime import timedelta

from services.churn.handlers import facts, objecting
from services.churn.store.facts import ProductFact, ReceiptFact, VoidFact
from shared.customers import apply_assignments
from shared.customers.objections import personalisation_consents
from shared.db import Transaction
from shared.events import Envelope, topics_consumed_by
from shared.events.customers import ConsentChangedV1, CustomerErasedV1, SubjectAssignedV1
from shared.events.products import ProductChangedV1
from shared.events.receipts import Discount, ReceiptRecordedV1, ReceiptVoidedV1
from shared.worker.subscription import Handler, Subscription


def subscription() -> Subscription:
    """Return what is consumed, erasures before the facts that came with them.

    Behaviour and feedback are no features yet: their events are read and skipped, so that positions are kept.
    """
    handlers: dict[str, Handler] = {
        "CustomerErased": _erasures,
        "SubjectAssigned": _assignments,
        "ReceiptRecorded": _receipts,
        "ReceiptVoided": _voids,
        "ConsentChanged": _consents,
        "ProductChanged": _products,
    }
    return Subscription(tuple(topic.name for topic in topics_consumed_by("churn")), handlers)


async def _erasures(tx: Transaction, events: Sequence[Envelope[CustomerErasedV1]]) -> None:
    # One event comes for every erased subject, into that subject's partition.
    await facts.erase(tx, events)


async def _assignments(tx: Transaction, events: Sequence[Envelope[SubjectAssignedV1]]) -> None:
    await apply_assignments(tx, events)


async def _receipts(tx: Transaction, events: Sequence[Envelope[ReceiptRecordedV1]]) -> None:
    await facts.record_receipts(tx, [receipt_fact(event) for event in events if event.data.counts])


async def _voids(tx: Transaction, events: Sequence[Envelope[ReceiptVoidedV1]]) -> None:
    await facts.record_voids(
        tx,
        [VoidFact(event.data.receipt_id, event.data.voids_receipt_id) for event in events if event.data.counts],
    )


async def _consents(tx: Transaction, events: Sequence[Envelope[ConsentChangedV1]]) -> None:
    await objecting.record_consents(tx, personalisation_consents(events))


async def _products(tx: Transaction, events: Sequence[Envelope[ProductChangedV1]]) -> None:
    await facts.record_products(
        tx,
        [
            ProductFact(event.data.product_id, list(event.data.categories), event.occurred_at, event.event_id)
            for event in events
        ],
    )


def receipt_fact(event: Envelope[ReceiptRecordedV1]) -> ReceiptFact:
    """Return what is kept of a receipt; what came back on it has no discounts, items or products."""
    data = event.data
    bought = [] if data.kind == "return" else [line for line in data.lines if not line.returned]
    taken_off = list(_discounts(data))
    local = event.occurred_at + timedelta(minutes=data.utc_offset_minutes)
    return ReceiptFact(
        receipt_id=data.receipt_id,
        event_id=event.event_id,
        subject_id=event.subject_id,
        identified=event.subject_kind == "identified",
        kind=data.kind,
        day=data.business_date,
        occurred_at=event.occurred_at,
        hour=local.hour,
        store_id=data.store_id,
        currency=data.currency,
        sold_minor=data.sold_minor,
        returned_minor=data.returned_minor,
        items=len(bought),
        discount_minor=sum(each.amount_minor for each in taken_off),
        coupon_minor=sum(each.amount_minor for each in taken_off if each.kind == "coupon"),
        products=sorted({line.product_id for line in bought}),
    )


def _discounts(data: ReceiptRecordedV1) -> Iterator[Discount]:
    if data.kind == "return":
        return
    yield from data.discounts
    for line in data.lines:
        if not line.returned:
            yield from line.discounts

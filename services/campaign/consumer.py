"""Which event is applied by which handler, and its shape on the way in."""

from collections.abc import Sequence

from services.campaign.handlers import facts
from services.campaign.handlers.facts import Facts
from services.campaign.store.facts import ConsentSaid, Product, Receipt, Store, Void, WarningState
from shared.customers import apply_assignments
from shared.customers.memberships import Membership
from shared.db import Transaction
from shared.events import Envelope, topics_consumed_by
from shared.events.customers import ConsentChangedV1, SubjectAssignedV1
from shared.events.products import ProductChangedV1, StoreChangedV1
from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from shared.events.segments import SegmentEnteredV1, SegmentLeftV1
from shared.events.warnings import WarningChangedV1, WarningClosedV1, WarningRaisedV1
from shared.worker.subscription import Subscription

Transition = SegmentEnteredV1 | SegmentLeftV1
OpenWarning = WarningRaisedV1 | WarningChangedV1


def subscription(handlers: Facts) -> Subscription:
    """Return what campaign consumes. Feedback and recommendations are followed, but change nothing here yet."""

    async def receipts(tx: Transaction, events: Sequence[Envelope[ReceiptRecordedV1]]) -> None:
        await handlers.record_receipts(tx, [_receipt(event) for event in events if event.data.counts])

    async def voids(tx: Transaction, events: Sequence[Envelope[ReceiptVoidedV1]]) -> None:
        await handlers.record_voids(tx, [_void(event) for event in events if event.data.counts])

    async def assigned(tx: Transaction, events: Sequence[Envelope[SubjectAssignedV1]]) -> None:
        await apply_assignments(tx, events)
        await handlers.put_right(tx, {event.data.subject_id for event in events})

    return Subscription(
        topics=tuple(topic.name for topic in topics_consumed_by("campaign")),
        handlers={
            "CustomerErased": handlers.erase,
            "SubjectAssigned": assigned,
            "ReceiptRecorded": receipts,
            "ReceiptVoided": voids,
            "ConsentChanged": _consents,
            "SegmentEntered": _entered,
            "SegmentLeft": _left,
            "WarningRaised": _warned,
            "WarningChanged": _warned,
            "WarningClosed": _closed,
            "ProductChanged": _products,
            "StoreChanged": _stores,
        },
    )


async def _consents(tx: Transaction, events: Sequence[Envelope[ConsentChangedV1]]) -> None:
    await facts.record_consents(tx, [_consent(event) for event in events])


async def _entered(tx: Transaction, events: Sequence[Envelope[Transition]]) -> None:
    await facts.record_memberships(tx, [_membership(event, is_member=True) for event in events])


async def _left(tx: Transaction, events: Sequence[Envelope[Transition]]) -> None:
    await facts.record_memberships(tx, [_membership(event, is_member=False) for event in events])


async def _warned(tx: Transaction, events: Sequence[Envelope[OpenWarning]]) -> None:
    await facts.record_warnings(
        tx, [WarningState(event.data.customer_id, event.data.n, event.data.level) for event in events]
    )


async def _closed(tx: Transaction, events: Sequence[Envelope[WarningClosedV1]]) -> None:
    await facts.record_warnings(tx, [WarningState(event.data.customer_id, event.data.n, None) for event in events])


async def _products(tx: Transaction, events: Sequence[Envelope[ProductChangedV1]]) -> None:
    await facts.record_products(
        tx,
        [
            Product(event.data.product_id, event.data.categories, event.occurred_at, event.event_id)
            for event in events
        ],
    )


async def _stores(tx: Transaction, events: Sequence[Envelope[StoreChangedV1]]) -> None:
    await facts.record_stores(
        tx,
        [
            Store(event.data.store_id, event.data.name, event.data.area, event.occurred_at, event.event_id)
            for event in events
        ],
    )


def _receipt(event: Envelope[ReceiptRecordedV1]) -> Receipt:
    data = event.data
    return Receipt(
        receipt_id=data.receipt_id,
        subject_id=event.subject_id,
        subject_kind=event.subject_kind,
        store_id=data.store_id,
        occurred_at=event.occurred_at,
        business_date=data.business_date,
        kind=data.kind,
        sold_minor=data.sold_minor,
        returned_minor=data.returned_minor,
        currency=data.currency,
        returns_receipt_id=data.returns_of.receipt_id if data.returns_of is not None else None,
    )


def _void(event: Envelope[ReceiptVoidedV1]) -> Void:
    data = event.data
    return Void(data.receipt_id, data.voids_receipt_id, event.occurred_at, data.replaced_by_receipt_id)


def _consent(event: Envelope[ConsentChangedV1]) -> ConsentSaid:
    data = event.data
    return ConsentSaid(event.subject_id, data.purpose, data.channel, data.state, event.occurred_at, event.event_id)


def _membership(event: Envelope[Transition], *, is_member: bool) -> Membership:
    return Membership(event.data.customer_id, event.data.segment_id, event.data.n, is_member)

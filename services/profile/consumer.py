"""What the profile service consumes: each event type, and how its payload becomes facts."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from services.profile.domain.moments import MOMENT_FIELDS
from services.profile.domain.purchases import Line, ReceiptFact, VoidFact, pieces
from services.profile.handlers import people, purchases
from services.profile.store import catalogue
from services.profile.store.catalogue import ProductFact, StoreFact
from services.profile.store.people import AttributeFact, ConsentFact, MaskFact, MomentFact
from shared.customers.erasures import apply_erasures
from shared.db import Transaction
from shared.events import Envelope, topics_consumed_by
from shared.events.customers import AttributesChangedV1, ConsentChangedV1, CustomerErasedV1, SubjectAssignedV1
from shared.events.products import ProductChangedV1, StoreChangedV1
from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from shared.worker.subscription import Handler, Subscription


def subscription(partitions: int) -> Subscription:
    """Return what is consumed. `partitions` is the deployment's count, for the totals of stores."""

    async def receipts(tx: Transaction, events: Sequence[Envelope[ReceiptRecordedV1]]) -> None:
        await purchases.record_receipts(
            tx, partitions, [receipt_fact(event) for event in events if event.data.is_finished]
        )

    async def voids(tx: Transaction, events: Sequence[Envelope[ReceiptVoidedV1]]) -> None:
        facts = [void_fact(event) for event in events if event.data.counts]
        await purchases.record_voids(tx, partitions, facts)

    async def erasures(tx: Transaction, events: Sequence[Envelope[CustomerErasedV1]]) -> None:
        # One event comes for every erased subject, into that subject's partition.
        subject_ids = await apply_erasures(tx, events)
        await people.erase(tx, partitions, subject_ids, {event.data.customer_id for event in events})

    handlers: dict[str, Handler] = {
        "CustomerErased": erasures,
        "SubjectAssigned": _assignments,
        "ReceiptRecorded": receipts,
        "ReceiptVoided": voids,
        "AttributesChanged": _attributes,
        "ConsentChanged": _consents,
        "ProductChanged": _products,
        "StoreChanged": _stores,
        **dict.fromkeys(MOMENT_FIELDS, _moments),
    }
    return Subscription(tuple(topic.name for topic in topics_consumed_by("profile")), handlers)


def receipt_fact(event: Envelope[ReceiptRecordedV1]) -> ReceiptFact:
    """Return what is kept of a receipt."""
    data = event.data
    given_back = data.kind == "return"
    lines: list[Line] = []
    items = 0
    for line in data.lines:
        if given_back or line.returned:
            lines.append((line.product_id, line.quantity, -line.amount_minor))
        else:
            lines.append((line.product_id, line.quantity, line.amount_minor))
            items += pieces(line.quantity)
    return ReceiptFact(
        receipt_id=data.receipt_id,
        event_id=event.event_id,
        subject_id=event.subject_id,
        subject_kind=event.subject_kind,
        kind=data.kind,
        training=data.training,
        store_id=data.store_id,
        occurred_at=event.occurred_at,
        business_date=data.business_date,
        utc_offset_minutes=data.utc_offset_minutes,
        currency=data.currency,
        sold_minor=sum(amount for _, _, amount in lines if amount > 0),
        returned_minor=-sum(amount for _, _, amount in lines if amount < 0),
        items=items,
        used_coupon=_used_coupon(data),
        channel=data.channel,
        lines=lines,
    )


def _used_coupon(data: ReceiptRecordedV1) -> bool:
    if data.coupons:
        return True
    discounts = (*data.discounts, *(discount for line in data.lines for discount in line.discounts))
    return any(discount.kind == "coupon" for discount in discounts)


def void_fact(event: Envelope[ReceiptVoidedV1]) -> VoidFact:
    """Return what is kept of a void."""
    data = event.data
    return VoidFact(
        receipt_id=data.receipt_id,
        event_id=event.event_id,
        voids_receipt_id=data.voids_receipt_id,
        subject_id=event.subject_id,
        subject_kind=event.subject_kind,
        store_id=data.store_id,
        occurred_at=event.occurred_at,
        currency=data.currency,
        amount_minor=data.amount_minor,
    )


async def _assignments(tx: Transaction, events: Sequence[Envelope[SubjectAssignedV1]]) -> None:
    masks = [
        MaskFact(
            event.data.subject_id,
            event.subject_kind,
            event.data.namespace,
            event.data.masked,
            event.data.version,
        )
        for event in events
    ]
    await people.assign_subjects(tx, events, masks)


async def _attributes(tx: Transaction, events: Sequence[Envelope[AttributesChangedV1]]) -> None:
    facts = [
        AttributeFact(event.subject_id, name, value, event.occurred_at, event.event_id)
        for event in events
        for name, value in event.data.attributes.items()
    ]
    await people.record_attributes(tx, facts, _kinds(events))


async def _consents(tx: Transaction, events: Sequence[Envelope[ConsentChangedV1]]) -> None:
    facts = [
        ConsentFact(
            event.subject_id,
            event.data.channel,
            event.data.purpose,
            event.data.state,
            event.data.policy_version,
            event.occurred_at,
            event.event_id,
        )
        for event in events
    ]
    await people.record_consents(tx, facts, _kinds(events))


async def _moments(tx: Transaction, events: Sequence[Envelope[Any]]) -> None:
    await people.record_moments(tx, [_moment(event) for event in events], _kinds(events))


def _moment(event: Envelope[Any]) -> MomentFact:
    kept = event.data.model_dump(mode="json", include=set(MOMENT_FIELDS[event.type]), exclude_none=True)
    return MomentFact(event.event_id, event.subject_id, event.occurred_at, event.type, event.store_id, kept)


async def _products(tx: Transaction, events: Sequence[Envelope[ProductChangedV1]]) -> None:
    facts = [
        ProductFact(
            event.data.product_id,
            event.data.name,
            event.data.brand,
            list(event.data.categories),
            event.occurred_at,
            event.event_id,
        )
        for event in events
    ]
    await catalogue.keep_products(tx, facts)


async def _stores(tx: Transaction, events: Sequence[Envelope[StoreChangedV1]]) -> None:
    facts = [
        StoreFact(
            event.data.store_id,
            event.data.name,
            event.data.area,
            event.data.city,
            event.data.time_zone,
            event.data.channel,
            event.data.is_open,
            event.occurred_at,
            event.event_id,
        )
        for event in events
    ]
    await catalogue.keep_stores(tx, facts)


def _kinds(events: Sequence[Envelope[Any]]) -> dict[UUID, str]:
    return {event.subject_id: event.subject_kind for event in events}

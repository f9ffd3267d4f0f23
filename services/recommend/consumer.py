"""What the recommend service consumes: each event type, and how its payload becomes rows."""

from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any

from services.recommend.domain.facts import MILLIONTHS
from services.recommend.handlers import offers, people, purchases, segments
from services.recommend.store import catalogue
from services.recommend.store.catalogue import PriceRow, ProductRow, StockRow, StoreRow
from services.recommend.store.coupons import CouponRow, RedemptionRow
from services.recommend.store.people import ViewRow, erase_alone
from services.recommend.store.receipts import ReceiptRow, VoidRow
from shared.customers.erasures import apply_erasures
from shared.customers.memberships import Membership
from shared.customers.objections import personalisation_consents
from shared.db import Transaction
from shared.events import Envelope, topics_consumed_by
from shared.events.behaviour import CartChangedV1, ProductViewedV2
from shared.events.campaign import CouponIssuedV1, CouponRedeemedV1
from shared.events.customers import ConsentChangedV1, CustomerErasedV1
from shared.events.products import PriceChangedV1, ProductChangedV1, StockChangedV1, StoreChangedV1
from shared.events.receipts import ReceiptLine, ReceiptRecordedV1, ReceiptVoidedV1
from shared.events.segments import SegmentEnteredV1, SegmentLeftV1
from shared.worker.subscription import Subscription

INTO_THE_CART = frozenset({"added", "updated"})


def subscription(partitions: int) -> Subscription:
    """Return what is consumed. `partitions` is the deployment's count, for popularity."""

    async def receipts(tx: Transaction, events: Sequence[Envelope[ReceiptRecordedV1]]) -> None:
        await purchases.record_receipts(
            tx, partitions, [receipt_row(event) for event in events if event.data.is_finished]
        )

    async def voids(tx: Transaction, events: Sequence[Envelope[ReceiptVoidedV1]]) -> None:
        taken_back = [event.data for event in events if event.data.counts]
        rows = [VoidRow(data.voids_receipt_id, data.replaced_by_receipt_id) for data in taken_back]
        await purchases.record_voids(tx, partitions, rows)

    async def erasures(tx: Transaction, events: Sequence[Envelope[CustomerErasedV1]]) -> None:
        await erase_alone(tx)
        # One event comes for every erased subject, into that subject's partition.
        subject_ids = await apply_erasures(tx, events)
        await people.erase(tx, partitions, subject_ids, {event.data.customer_id for event in events})

    return Subscription(
        tuple(topic.name for topic in topics_consumed_by("recommend")),
        {
            "CustomerErased": erasures,
            "SubjectAssigned": people.record_assignments,
            "ReceiptRecorded": receipts,
            "ReceiptVoided": voids,
            "ConsentChanged": _consents,
            "ProductViewed": _views,
            "CartChanged": _cart_changes,
            "ProductChanged": _products,
            "PriceChanged": _prices,
            "StockChanged": _stock,
            "StoreChanged": _stores,
            "CouponIssued": _coupons,
            "CouponRedeemed": _redemptions,
            "SegmentEntered": _entered,
            "SegmentLeft": _left,
        },
    )


def receipt_row(event: Envelope[ReceiptRecordedV1]) -> ReceiptRow:
    """Return what is kept of a receipt: each product once as bought and once as given back."""
    data = event.data
    moved: dict[tuple[str, bool], int] = {}
    for line in data.lines:
        key = (line.product_id, data.kind == "return" or line.returned)
        moved[key] = moved.get(key, 0) + _millionths(line)
    kept = [
        (product_id, -quantity if given_back else quantity)
        for (product_id, given_back), quantity in moved.items()
        if quantity or not given_back
    ]
    return ReceiptRow(
        receipt_id=data.receipt_id,
        event_id=event.event_id,
        subject_id=event.subject_id,
        is_guest=event.subject_kind == "guest",
        kind=data.kind,
        training=data.training,
        store_id=data.store_id,
        occurred_at=event.occurred_at,
        business_date=data.business_date,
        returns_receipt_id=data.returns_of.receipt_id if data.returns_of else None,
        moved=kept,
    )


def _millionths(line: ReceiptLine) -> int:
    text = line.quantity
    return int(text) * MILLIONTHS if text.isdecimal() else int(Decimal(text) * MILLIONTHS)


async def _consents(tx: Transaction, events: Sequence[Envelope[ConsentChangedV1]]) -> None:
    await people.record_consents(tx, personalisation_consents(events))


async def _views(tx: Transaction, events: Sequence[Envelope[ProductViewedV2]]) -> None:
    await people.record_views(tx, [row for e in events for row in _seen(e, [e.data.product_id])])


async def _cart_changes(tx: Transaction, events: Sequence[Envelope[CartChangedV1]]) -> None:
    added = [event for event in events if event.data.change in INTO_THE_CART]
    rows = [row for e in added for row in _seen(e, [line.product_id for line in e.data.lines])]
    await people.record_views(tx, rows)


def _seen(event: Envelope[Any], product_ids: Sequence[str]) -> Iterator[ViewRow]:
    """Yield what a session looked at; without a session there is nothing that a request could name."""
    if event.data.session_id is not None:
        for product_id in product_ids:
            yield ViewRow(event.data.session_id, event.subject_id, product_id, event.occurred_at)


async def _products(tx: Transaction, events: Sequence[Envelope[ProductChangedV1]]) -> None:
    rows = [
        ProductRow(
            event.data.product_id,
            event.data.name,
            event.data.brand,
            list(event.data.categories),
            event.data.size,
            event.data.is_sold,
            dict(event.data.attributes),
            event.data.launched_on,
            event.occurred_at,
            event.event_id,
        )
        for event in events
    ]
    await catalogue.keep_products(tx, rows)


async def _prices(tx: Transaction, events: Sequence[Envelope[PriceChangedV1]]) -> None:
    rows = [
        PriceRow(
            event.event_id,
            event.data.product_id,
            event.data.store_id,
            event.data.currency,
            event.data.price_minor,
            event.data.valid_from_at or event.occurred_at,
            event.data.valid_until_at,
            event.occurred_at,
        )
        for event in events
    ]
    await catalogue.insert_prices(tx, rows)


async def _stock(tx: Transaction, events: Sequence[Envelope[StockChangedV1]]) -> None:
    rows = [
        StockRow(
            event.data.store_id,
            event.data.product_id,
            Decimal(event.data.quantity) > 0,
            event.occurred_at,
            event.event_id,
        )
        for event in events
    ]
    await catalogue.keep_stock(tx, rows)


async def _stores(tx: Transaction, events: Sequence[Envelope[StoreChangedV1]]) -> None:
    rows = [
        StoreRow(
            event.data.store_id,
            event.data.name,
            event.data.time_zone,
            event.data.is_open,
            event.occurred_at,
            event.event_id,
        )
        for event in events
    ]
    await catalogue.keep_stores(tx, rows)


async def _entered(tx: Transaction, events: Sequence[Envelope[SegmentEnteredV1]]) -> None:
    await segments.record_memberships(tx, [_membership(event.data, is_member=True) for event in events])


async def _left(tx: Transaction, events: Sequence[Envelope[SegmentLeftV1]]) -> None:
    await segments.record_memberships(tx, [_membership(event.data, is_member=False) for event in events])


def _membership(said: SegmentEnteredV1 | SegmentLeftV1, *, is_member: bool) -> Membership:
    return Membership(said.customer_id, said.segment_id, said.n, is_member)


async def _coupons(tx: Transaction, events: Sequence[Envelope[CouponIssuedV1]]) -> None:
    rows = [
        CouponRow(
            event.data.coupon_id,
            event.subject_id,
            event.data.customer_id,
            event.data.campaign_id,
            event.data.starts_at,
            event.data.expires_at,
            event.occurred_at,
            event.data.offer.model_dump(mode="json") if event.data.offer else None,
        )
        for event in events
    ]
    await offers.record_coupons(tx, rows)


async def _redemptions(tx: Transaction, events: Sequence[Envelope[CouponRedeemedV1]]) -> None:
    rows = [
        RedemptionRow(
            event.data.redemption_id,
            event.data.coupon_id,
            event.subject_id,
            event.data.customer_id,
            event.data.n,
            event.data.state,
            event.data.store_id,
            event.data.discount_minor,
            event.data.currency,
            event.occurred_at,
        )
        for event in events
    ]
    await offers.record_redemptions(tx, rows)

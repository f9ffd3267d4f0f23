"""Events as ingest says them, for the tests of recommend."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4, uuid5

from shared.events import Envelope, EventData, Source
from shared.events.behaviour import ProductViewedV2
from shared.events.campaign import CouponIssuedV1, CouponRedeemedV1
from shared.events.customers import ConsentChangedV1, CustomerErasedV1, SubjectAssignedV1
from shared.events.products import PriceChangedV1, ProductChangedV1, StockChangedV1, StoreChangedV1
from shared.events.receipts import ReceiptRecordedV1, ReceiptVoidedV1
from shared.events.segments import SegmentEnteredV1, SegmentLeftV1
from shared.identity import BlindIndexKeys, guest_subject_id, normalise, subject_id_for, thing_subject_id

IDENTITY_KEY = bytes(range(32))
PARTITIONS = 4
NOW = datetime.now(UTC).replace(microsecond=0)
_RECEIPTS = UUID("00000000-0000-0000-0000-0000000000aa")
_KEYS = BlindIndexKeys.from_namespaces({"loyalty_card": IDENTITY_KEY, "user_id": IDENTITY_KEY})


def subject(value: str, namespace: str = "loyalty_card") -> UUID:
    return subject_id_for(namespace, _KEYS.blind_index(namespace, normalise(namespace, value)))


ANN, BEN = subject("1001"), subject("1002")


def ago(days: float) -> datetime:
    return NOW - timedelta(days=days)


def receipt_id(name: str) -> UUID:
    return uuid5(_RECEIPTS, name)


def _said(
    data: EventData, at: datetime, subject_id: UUID, event_id: UUID | None = None, kind: str = "identified"
) -> Envelope[Any]:
    return Envelope.of(
        data,
        event_id=event_id or uuid4(),
        occurred_at=at,
        received_at=at,
        subject_id=subject_id,
        subject_kind=kind,  # type: ignore[arg-type]
        source=Source(id="till", kind="pos"),
    )


def bought(name: str, subject_id: UUID | None, days: float, *products: str, store: str = "S01") -> Envelope[Any]:
    """A sale of one unit of each product; a product named twice is on two lines. No subject: a guest's."""
    return _receipt(name, subject_id, days, [(each, "1", False) for each in products], store=store)


def returned(name: str, subject_id: UUID | None, days: float, *products: str, of: str | None = None) -> Envelope[Any]:
    return _receipt(name, subject_id, days, [(each, "1", False) for each in products], kind="return", of=of)


def exchanged(name: str, subject_id: UUID, days: float, given_back: str, taken: str) -> Envelope[Any]:
    lines = [(given_back, "1", True), (taken, "1", False)]
    return _receipt(name, subject_id, days, lines, kind="exchange")


def _receipt(
    name: str,
    subject_id: UUID | None,
    days: float,
    lines: list[tuple[str, str, bool]],
    kind: str = "sale",
    store: str = "S01",
    of: str | None = None,
) -> Envelope[Any]:
    found = receipt_id(name)
    at = ago(days)
    original = {"receipt_id": receipt_id(of), "store_id": store, "business_date": at.date()} if of else None
    data = ReceiptRecordedV1.model_validate(
        {
            "receipt_id": found,
            "store_id": store,
            "terminal_id": "T1",
            "business_date": at.date(),
            "sequence_number": 1,
            "currency": "CNY",
            "kind": kind,
            "lines": [
                {
                    "line_number": number,
                    "product_id": product,
                    "quantity": quantity,
                    "unit_price_minor": 100,
                    "amount_minor": 100,
                    "returned": is_returned,
                }
                for number, (product, quantity, is_returned) in enumerate(lines, 1)
            ],
            "returns_of": original,
        }
    )
    owner = subject_id or guest_subject_id(found)
    return _said(data, at, owner, found, "guest" if subject_id is None else "identified")


def voided(
    name: str, of: str, subject_id: UUID, days: float = 0.0, *, replaced_by: str | None = None
) -> Envelope[Any]:
    found, at = receipt_id(name), ago(days)
    data = ReceiptVoidedV1(
        receipt_id=found,
        store_id="S01",
        terminal_id="T1",
        business_date=at.date(),
        sequence_number=2,
        currency="CNY",
        voids_receipt_id=receipt_id(of),
        replaced_by_receipt_id=None if replaced_by is None else receipt_id(replaced_by),
        amount_minor=100,
    )
    return _said(data, at, subject_id, found)


def assigned(subject_id: UUID, customer_id: UUID, version: int) -> Envelope[Any]:
    data = SubjectAssignedV1(subject_id=subject_id, customer_id=customer_id, version=version, cause="linked")
    return _said(data, NOW, subject_id)


def consent(subject_id: UUID, state: str, days: float = 1.0, channel: str = "any") -> Envelope[Any]:
    data = ConsentChangedV1.model_validate({"channel": channel, "purpose": "personalisation", "state": state})
    return _said(data, ago(days), subject_id)


def erased(subject_id: UUID, customer_id: UUID | None = None) -> Envelope[Any]:
    data = CustomerErasedV1(erasure_id=uuid4(), customer_id=customer_id or subject_id, subject_ids=(subject_id,))
    return _said(data, NOW, subject_id)


def viewed(session_id: str, product: str, minutes_ago: float = 1.0, subject_id: UUID = BEN) -> Envelope[Any]:
    data = ProductViewedV2(product_id=product, session_id=session_id, channel="web")
    return _said(data, NOW - timedelta(minutes=minutes_ago), subject_id, kind="device")


def product(product_id: str, days: float = 100.0, **changes: Any) -> Envelope[Any]:
    described = {"name": f"Product {product_id}", "categories": ("GROCERY", "CHEESE", "SLICED")}
    data = ProductChangedV1.model_validate({"product_id": product_id} | described | changes)
    return _said(data, ago(days), thing_subject_id("product", product_id), kind="none")


def price(name: str, minor: int, days: float = 10.0, **changes: Any) -> Envelope[Any]:
    fields = {"product_id": name, "currency": "CNY", "price_minor": minor} | changes
    return _said(PriceChangedV1.model_validate(fields), ago(days), thing_subject_id("product", name), kind="none")


def stock(name: str, quantity: str, days: float = 1.0, store: str = "S01") -> Envelope[Any]:
    data = StockChangedV1(product_id=name, store_id=store, quantity=quantity)
    return _said(data, ago(days), thing_subject_id("product", name), kind="none")


def store_described(store_id: str, days: float = 1.0, **changes: Any) -> Envelope[Any]:
    described = {"store_id": store_id, "name": f"Store {store_id}", "time_zone": "Asia/Shanghai"}
    data = StoreChangedV1.model_validate(described | changes)
    return _said(data, ago(days), thing_subject_id("store", store_id), kind="none")


def in_segment(customer_id: UUID, segment_id: str, n: int = 1, *, left: bool = False) -> Envelope[Any]:
    """The n-th word on whether a customer is in a segment."""
    data_class = SegmentLeftV1 if left else SegmentEnteredV1
    data = data_class(customer_id=customer_id, n=n, at=NOW, segment_id=segment_id, segment_name=segment_id.title())
    return _said(data, NOW, customer_id, uuid5(_RECEIPTS, f"{segment_id} {customer_id} {n}"))


def coupon_issued(name: str, customer_id: UUID, days: float = 1.0, **parts: Any) -> Envelope[Any]:
    """A coupon of 20 % off p01; `offer` and the times may be said otherwise."""
    fields = {
        "customer_id": customer_id,
        "coupon_id": uuid5(_RECEIPTS, f"coupon {name}"),
        "campaign_id": "spring",
        "starts_at": ago(days),
        "expires_at": ago(-7),
        "offer": {"percent": 20, "currency": "CNY", "product_ids": ["p01"]},
    } | parts
    return _said(CouponIssuedV1.model_validate(fields), ago(days), customer_id)


def coupon_redeemed(
    name: str, customer_id: UUID, *, n: int = 1, days: float = 0.5, store: str = "S01", discount: int = 20
) -> Envelope[Any]:
    data = CouponRedeemedV1(
        customer_id=customer_id,
        redemption_id=uuid5(_RECEIPTS, f"redemption {name}"),
        coupon_id=uuid5(_RECEIPTS, f"coupon {name}"),
        campaign_id="spring",
        n=n,
        state="redeemed" if n % 2 else "rolled_back",
        store_id=store,
        discount_minor=discount,
        currency="CNY",
    )
    return _said(data, ago(days), customer_id)

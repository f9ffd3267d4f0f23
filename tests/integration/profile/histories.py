"""Small histories of a shop, event by event, and what the profile's tables hold after them."""

from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

from services.profile.consumer import subscription
from services.profile.domain.profile import Chain
from services.profile.tables import metadata
from shared.db import Database
from shared.events import Envelope, EventData, Source, SubjectKind
from shared.events.customers import (
    AttributesChangedV1,
    ConsentChangedV1,
    CustomerErasedV1,
    SubjectAssignedV1,
)
from shared.events.products import ProductChangedV1, StoreChangedV1
from shared.events.receipts import ReceiptLine, ReceiptRecordedV1, ReceiptVoidedV1, ReturnsOf
from shared.identity import guest_subject_id
from tests.fixtures.postgres import empty_tables

PARTITIONS = 4
CHAIN = Chain("USD", "America/New_York")
NOON = datetime(2026, 3, 2, 17, 0, tzinfo=UTC)
TILL = Source(id="pos", kind="pos")
_NAMES = UUID("00000000-0000-5000-8000-000000000001")
SUBSCRIPTION = subscription(PARTITIONS)

Event = Envelope[Any]


def named(name: str) -> UUID:
    """A fixed id for a name."""
    return uuid5(_NAMES, name)


ANNA, BORIS, CARD = named("anna"), named("boris"), named("card")


def envelope(
    data: EventData,
    event_id: UUID,
    at: datetime = NOON,
    subject_id: UUID = ANNA,
    kind: SubjectKind = "identified",
    store_id: str | None = None,
) -> Event:
    return Envelope.of(
        data,
        event_id=event_id,
        occurred_at=at,
        received_at=at,
        subject_id=subject_id,
        subject_kind=kind,
        source=TILL,
        store_id=store_id,
    )


def receipt(
    name: str = "r1",
    *,
    subject_id: UUID | None = ANNA,
    kind: str = "sale",
    at: datetime = NOON,
    lines: Sequence[tuple[str, str, int]] = (("P1", "1", 1000),),
    returned: Iterable[int] = (),
    store_id: str = "S1",
    **fields: Any,
) -> Event:
    """A receipt; without a subject it is a guest's. `returned`: which lines (from 1) of an exchange come back."""
    receipt_id = named(name)
    given_back = set(returned)
    data = ReceiptRecordedV1(
        receipt_id=receipt_id,
        store_id=store_id,
        terminal_id="T1",
        business_date=at.date(),
        sequence_number=1,
        currency=fields.pop("currency", "USD"),
        kind=kind,
        lines=tuple(
            ReceiptLine(
                line_number=number,
                product_id=product,
                quantity=quantity,
                unit_price_minor=amount,
                amount_minor=amount,
                returned=number in given_back,
            )
            for number, (product, quantity, amount) in enumerate(lines, 1)
        ),
        **fields,
    )
    return _of_till(data, receipt_id, at, subject_id, store_id)


def void(
    name: str = "v1",
    *,
    of: str = "r1",
    amount_minor: int = 1000,
    subject_id: UUID | None = ANNA,
    at: datetime = NOON + timedelta(minutes=5),
    store_id: str = "S1",
    **fields: Any,
) -> Event:
    receipt_id = named(name)
    data = ReceiptVoidedV1(
        receipt_id=receipt_id,
        store_id=store_id,
        terminal_id="T1",
        business_date=at.date(),
        sequence_number=2,
        currency=fields.pop("currency", "USD"),
        voids_receipt_id=named(of),
        amount_minor=amount_minor,
        **fields,
    )
    return _of_till(data, receipt_id, at, subject_id, store_id)


def _of_till(data: EventData, event_id: UUID, at: datetime, subject_id: UUID | None, store_id: str) -> Event:
    kind: SubjectKind = "guest" if subject_id is None else "identified"
    return envelope(data, event_id, at, subject_id or guest_subject_id(event_id), kind, store_id)


def returns_of(name: str = "r1") -> ReturnsOf:
    return ReturnsOf(receipt_id=named(name), store_id="S1", business_date=NOON.date())


def assigned(
    subject_id: UUID, customer_id: UUID, version: int, *, masked: str | None = None, kind: SubjectKind = "identified"
) -> Event:
    data = SubjectAssignedV1(
        subject_id=subject_id,
        customer_id=customer_id,
        version=version,
        cause="linked",
        namespace="loyalty_card" if masked else None,
        masked=masked,
    )
    return envelope(data, named(f"assigned {subject_id} {version}"), NOON, subject_id, kind)


def attributes(name: str, values: dict[str, Any], *, subject_id: UUID = ANNA, at: datetime = NOON) -> Event:
    return envelope(AttributesChangedV1(attributes=values), named(name), at, subject_id)


def consent(
    name: str, state: str = "granted", *, subject_id: UUID = ANNA, at: datetime = NOON, channel: str = "email"
) -> Event:
    data = ConsentChangedV1(channel=channel, purpose="marketing", state=state)
    return envelope(data, named(name), at, subject_id)


def erased(subject_id: UUID, customer_id: UUID) -> Event:
    data = CustomerErasedV1(erasure_id=named("erasure"), customer_id=customer_id, subject_ids=(subject_id,))
    return envelope(data, named(f"erased {subject_id}"), NOON + timedelta(days=40), subject_id)


def product(product_id: str, *categories: str, name: str = "", at: datetime = NOON) -> Event:
    data = ProductChangedV1(product_id=product_id, name=name or product_id, categories=categories)
    event_id = named(f"product {product_id} {name} {at}")
    return envelope(data, event_id, at, named(product_id), "none")


def store(store_id: str, name: str, time_zone: str) -> Event:
    data = StoreChangedV1(store_id=store_id, name=name, time_zone=time_zone)
    return envelope(data, named(f"store {store_id} {name}"), NOON, named(store_id), "none", store_id)


async def apply(database: Database, *events: Event) -> None:
    """Apply the events as one batch."""
    async with database.transaction() as tx:
        await SUBSCRIPTION.dispatch(tx, events)


async def derived_tables(database: Database, *, without: Iterable[str] = ()) -> dict[str, list[dict[str, Any]]]:
    """Every row of every derived table of the profile's own, in a fixed order."""
    left_out = {"positions", "dead_letters", *without}
    names = [
        table.name
        for table in metadata.sorted_tables
        if table.info["class"] == "derived" and table.name not in left_out
    ]
    return {name: await _rows(database, name) for name in names}


async def _rows(database: Database, name: str) -> list[dict[str, Any]]:
    rows = [dict(row) for row in await database.fetch(f"SELECT * FROM {name}")]
    return sorted(rows, key=repr)


async def empty(database: Database) -> None:
    """Empty every table but those that a worker needs."""
    await empty_tables(database, metadata.tables)

"""Small histories of a shop, event by event, and what the churn service's tables hold after them."""

import random
from collections.abc import Iterable, Sequence
from datetime import UTC, date, datetime, time, timedelta
from typing import Any
from uuid import UUID, uuid5

from services.churn.consumer import subscription
from services.churn.handlers.scoring import Policy
from services.churn.tables import metadata
from shared.db import Database
from shared.events import Envelope, EventData, Source, SubjectKind, decode
from shared.events.customers import CustomerErasedV1, SubjectAssignedV1
from shared.events.products import ProductChangedV1
from shared.events.receipts import Discount, ReceiptLine, ReceiptRecordedV1, ReceiptVoidedV1

MONDAY = date(2026, 3, 2)
NOW = datetime(2026, 3, 3, 9, 0, tzinfo=UTC)
TILL = Source(id="pos", kind="pos")
POLICY = Policy(currency="USD", category_level=2, warning_share=0.05, cooldown_days=28, weeks_kept=104)
SUBSCRIPTION = subscription()
_NAMES = UUID("00000000-0000-5000-8000-000000000001")

Event = Envelope[Any]
Line = tuple[str, int]


def named(name: str) -> UUID:
    """A fixed id for a name."""
    return uuid5(_NAMES, name)


ANNA, BORIS = named("anna"), named("boris")


def envelope(
    data: EventData,
    event_id: UUID,
    at: datetime = NOW,
    subject_id: UUID = ANNA,
    kind: SubjectKind = "identified",
) -> Event:
    return Envelope.of(
        data,
        event_id=event_id,
        occurred_at=at,
        received_at=at,
        subject_id=subject_id,
        subject_kind=kind,
        source=TILL,
    )


def receipt(
    name: str = "r1",
    *,
    subject_id: UUID = ANNA,
    subject_kind: SubjectKind = "identified",
    day: date = MONDAY,
    hour: int = 12,
    kind: str = "sale",
    lines: Sequence[Line] = (("P1", 1000),),
    returned: Iterable[int] = (),
    store_id: str = "S1",
    currency: str = "USD",
    **fields: Any,
) -> Event:
    """A receipt, one piece a line. `returned`: which lines (from 1) of an exchange come back."""
    given_back = set(returned)
    data = ReceiptRecordedV1(
        receipt_id=named(name),
        store_id=store_id,
        terminal_id="T1",
        business_date=day,
        sequence_number=1,
        currency=currency,
        kind=kind,
        lines=tuple(
            ReceiptLine(
                line_number=number,
                product_id=product_id,
                quantity="1",
                unit_price_minor=amount,
                amount_minor=amount,
                returned=number in given_back,
            )
            for number, (product_id, amount) in enumerate(lines, start=1)
        ),
        **fields,
    )
    at = datetime.combine(day, time(hour), UTC)
    return envelope(data, named(f"event of {name}"), at, subject_id, subject_kind)


def void(name: str, of: str, *, subject_id: UUID = ANNA, training: bool = False) -> Event:
    data = ReceiptVoidedV1(
        receipt_id=named(name),
        store_id="S1",
        terminal_id="T1",
        business_date=MONDAY,
        sequence_number=2,
        currency="USD",
        voids_receipt_id=named(of),
        amount_minor=1000,
        training=training,
    )
    return envelope(data, named(f"event of {name}"), subject_id=subject_id)


def coupon(amount_minor: int, kind: str = "coupon") -> Discount:
    return Discount(kind=kind, amount_minor=amount_minor)


def assigned(subject_id: UUID, customer_id: UUID, version: int = 1) -> Event:
    data = SubjectAssignedV1(subject_id=subject_id, customer_id=customer_id, version=version, cause="linked")
    return envelope(data, named(f"{subject_id} {customer_id} {version}"), subject_id=subject_id)


def erased(subject_id: UUID, customer_id: UUID | None = None) -> Event:
    data = CustomerErasedV1(
        erasure_id=named(f"erasure of {subject_id}"),
        customer_id=customer_id or subject_id,
        subject_ids=(subject_id,),
    )
    return envelope(data, named(f"erased {subject_id}"), subject_id=subject_id)


def product(product_id: str, *categories: str, at: datetime = NOW) -> Event:
    data = ProductChangedV1(product_id=product_id, name=product_id, categories=categories)
    return envelope(data, named(f"{product_id} {categories} {at}"), at, named(product_id), "none")


async def apply(database: Database, *events: Event) -> None:
    """Apply events in one transaction, as the worker does."""
    async with database.transaction() as tx:
        await SUBSCRIPTION.dispatch(tx, events)


async def snapshot(database: Database) -> dict[str, list[tuple[Any, ...]]]:
    """What the derived tables hold, in a fixed order."""
    found = {}
    for table in metadata.sorted_tables:
        if table.info["class"] == "derived" and table.name not in {"positions", "dead_letters"}:
            rows = await database.fetch(f"SELECT * FROM {table.name}")
            found[table.name] = sorted((tuple(row.values()) for row in rows), key=repr)
    return found


async def empty(database: Database) -> None:
    tables = ", ".join(table.name for table in metadata.sorted_tables)
    await database.execute(f"TRUNCATE {tables} RESTART IDENTITY")


async def said(database: Database) -> list[Event]:
    """The events of churn.warnings.v1, in the order in which they were said; those of erased people say nothing."""
    rows = await database.fetch(
        "SELECT e.body FROM unnumbered u JOIN events e USING (event_id) WHERE e.body <> '' ORDER BY u.arrival"
    )
    return [decode(row["body"]) for row in rows]


SHOPPERS = 120
LAST_DAY = date(2026, 3, 29)
DAYS = 364


def shopper(number: int) -> UUID:
    return named(f"shopper {number}")


def visit_dates(number: int) -> list[date]:
    """Every shopper keeps a rhythm of 3 to 9 days; every tenth one stopped coming one and a half rhythms ago."""
    gap = 3 + number % 7
    stop = round(gap * 1.7) if number % 10 == 0 else number % gap
    last = LAST_DAY - timedelta(days=stop)
    return [last - timedelta(days=gap * back) for back in range(DAYS // gap)]


def sales_of(number: int, dates: Iterable[date]) -> list[Event]:
    return [
        receipt(
            f"{number} {at}",
            subject_id=shopper(number),
            day=at,
            hour=8 + number % 12,
            lines=[(f"P{number % 5}", 1500 + 10 * number), ("P7", 400)],
            store_id=f"S{number % 3}",
        )
        for at in dates
    ]


def shop(until: date = LAST_DAY) -> list[Event]:
    """A year of the whole shop, up to a day."""
    return [
        event
        for number in range(SHOPPERS)
        for event in sales_of(number, (at for at in visit_dates(number) if at <= until))
    ]


def shoppers_who_leave(count: int = 250) -> list[Event]:
    """Steady shoppers, of whom four in ten slow down from some day on and stay away: something to learn from."""
    rng = random.Random(11)
    return [event for number in range(count) for event in sales_of(number, _slowing_dates(rng))]


def _slowing_dates(rng: random.Random) -> list[date]:
    usual = rng.choice([4, 7, 10])
    slows_at = rng.randrange(60, DAYS) if rng.random() < 0.4 else DAYS
    day, pace, days = float(rng.randrange(usual)), 1.0, []
    while day < DAYS and usual * pace < 45:
        days.append(LAST_DAY - timedelta(days=DAYS - 1 - int(day)))
        pace *= 1.3 if day > slows_at else 1.0
        day += max(1, round(usual * pace * rng.uniform(0.85, 1.15)))
    return days

"""A shop's history of every kind of event, made by a seed: the same seed, the same events."""

import random
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from shared.events import decode
from shared.events.catalogue import EXAMPLES
from tests.integration.profile.histories import (
    NOON,
    Event,
    assigned,
    attributes,
    consent,
    envelope,
    erased,
    named,
    product,
    receipt,
    returns_of,
    store,
    void,
)

PEOPLE = 40
PRODUCTS = 30
STORES = ("S1", "S2", "S3")


def person(number: int) -> UUID:
    return named(f"person {number}")


def history(seed: int, receipts: int) -> list[Event]:
    """Return a shop's opening, so many receipts with what comes of them, and what is told of people."""
    draw = random.Random(seed)
    prefix = f"h{seed}"
    return [*_opening(prefix), *_trade(draw, prefix, receipts), *_people(draw, prefix)]


def _opening(prefix: str) -> Iterator[Event]:
    for number in range(PRODUCTS):
        yield product(f"P{number}", "FOOD", f"AISLE {number % 5}", name=f"{prefix} product {number}")
    for store_id in STORES:
        yield store(store_id, f"{prefix} store {store_id}", "America/New_York")


def _trade(draw: random.Random, prefix: str, receipts: int) -> Iterator[Event]:
    for number in range(receipts):
        name = f"{prefix} receipt {number}"
        subject_id = None if draw.random() < 0.1 else person(draw.randrange(PEOPLE))
        at, store_id = NOON + timedelta(hours=number), draw.choice(STORES)
        lines = _lines(draw)
        if draw.random() < 0.1 and number:
            original = f"{prefix} receipt {draw.randrange(number)}"
            yield receipt(
                name, subject_id=subject_id, kind="return", at=at, lines=lines[:1], returns_of=returns_of(original)
            )
            continue
        training = draw.random() < 0.03
        yield receipt(name, subject_id=subject_id, at=at, lines=lines, store_id=store_id, training=training)
        if draw.random() < 0.1:
            amount_minor = sum(amount for _, _, amount in lines)
            yield void(f"{name} voided", of=name, amount_minor=amount_minor, subject_id=subject_id, store_id=store_id)
    yield void(f"{prefix} void of nothing", of=f"{prefix} never seen", amount_minor=300)


def _lines(draw: random.Random) -> Sequence[tuple[str, str, int]]:
    return [
        (f"P{draw.randrange(PRODUCTS)}", str(draw.randrange(1, 4)), draw.randrange(50, 3000))
        for _ in range(draw.randrange(1, 6))
    ]


def _people(draw: random.Random, prefix: str) -> Iterator[Event]:
    version = 1000 * (int(prefix[1:]) + 1)
    for number in range(0, PEOPLE, 4):
        yield assigned(person(number), person(number + 1), version + number, masked="****1234")
    for number in range(PEOPLE):
        name = f"{prefix} person {number}"
        told = {"city": draw.choice(["Wuhan", "Lima"]), "kids": number}
        yield attributes(f"{name} says", told, subject_id=person(number))
        yield consent(f"{name} agrees", draw.choice(["granted", "withdrawn"]), subject_id=person(number))
    yield erased(person(3), person(3)).model_copy(update={"event_id": named(f"{prefix} erasure")})


def examples() -> Iterator[Event]:
    """Return the catalogue's example messages, but those that say whose the subjects are."""
    for file in sorted(EXAMPLES.rglob("*.json")):
        event: Event = decode(file.read_bytes())
        if event.type not in {"CustomerErased", "SubjectAssigned"}:
            yield event


def segment_news(seed: int, customers: int) -> list[Event]:
    """Return what profile says of segments, for campaign."""
    told = decode((EXAMPLES / "SegmentEntered" / "v1" / "champions.json").read_bytes())
    return [_about(told, person(number), f"segment {seed} {number}") for number in range(customers)]


def _about(event: Event, customer_id: UUID, name: str) -> Event:
    data: Any = event.data.model_copy(update={"customer_id": customer_id})
    return envelope(data, named(name), event.occurred_at, customer_id)

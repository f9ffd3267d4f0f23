"""Made-up events as a producer's log holds one partition of them: numbered already, each naming the one before it."""

import zlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from random import Random
from typing import Any
from uuid import UUID

import orjson

from shared.identity import event_id_for, guest_subject_id
from shared.log.domain import partition_of
from shared.worker.domain import Incoming

ORIGIN = "ingest#1"
PARTITION = 0
PARTITIONS = 4
LINES = 10
SHOPPERS = 5_000
STORES = 100
PRODUCTS = 20_000
GUEST_SHARE = 0.2
SEED = 20_260_302
STARTS_AT = datetime(2026, 3, 2, tzinfo=UTC)

Body = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Moment:
    """What an event is told to be: when, its number in the line, and whoever may be its subject."""

    at: datetime
    seq: int
    event_id: UUID
    shoppers: Sequence[UUID]


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of events: their topic, and how one is made up."""

    what: str
    topic: str
    make: Callable[[Random, Moment], Body]


def batches(kind: Kind, events: int, size: int) -> Iterator[Sequence[Incoming]]:
    """Yield the same events each time, in batches."""
    records = _records(kind, events)
    while batch := list(islice(records, size)):
        yield batch


def _records(kind: Kind, events: int) -> Iterator[Incoming]:
    random = Random(SEED)  # noqa: S311 - made-up shoppers, no secret
    shoppers = _shoppers(random)
    prev: UUID | None = None
    for seq in range(1, events + 1):
        at = STARTS_AT + timedelta(seconds=20 * seq)
        event_id = event_id_for(str(seq), int(at.timestamp() * 1000), b"bench")
        body = kind.make(random, Moment(at, seq, event_id, shoppers))
        name = f"{body['type']}.v{body['version']}"
        yield Incoming(ORIGIN, kind.topic, PARTITION, seq, event_id, prev, name, orjson.dumps(body), seq - 1)
        prev = event_id


def _shoppers(random: Random) -> list[UUID]:
    """Return subjects that all fall into the one partition."""
    found: list[UUID] = []
    while len(found) < SHOPPERS:
        subject_id = UUID(int=random.getrandbits(128), version=5)
        if partition_of(str(subject_id), PARTITIONS) == PARTITION:
            found.append(subject_id)
    return found


def _event(moment: Moment, subject: tuple[UUID, str], source: Mapping[str, str], kind: tuple[str, int]) -> Body:
    subject_id, subject_kind = subject
    event_type, version = kind
    return {
        "event_id": moment.event_id,
        "type": event_type,
        "version": version,
        "occurred_at": moment.at,
        "received_at": moment.at,
        "subject_id": subject_id,
        "subject_kind": subject_kind,
        "source": source,
    }


def _receipt(random: Random, moment: Moment) -> Body:
    """Make up a sale of ten lines; one in five is a guest's."""
    is_guest = random.random() < GUEST_SHARE
    subject_id = guest_subject_id(moment.event_id) if is_guest else random.choice(moment.shoppers)
    store_id = f"S{random.randrange(STORES):03d}"
    amounts = [random.randrange(50, 2_000) for _ in range(LINES)]
    subject = subject_id, "guest" if is_guest else "identified"
    return _event(moment, subject, {"id": "bench", "kind": "pos"}, ("ReceiptRecorded", 1)) | {
        "store_id": store_id,
        "data": {
            "receipt_id": moment.event_id,
            "store_id": store_id,
            "terminal_id": f"T{zlib.crc32(store_id.encode()) % 8}",
            "business_date": moment.at.date(),
            "sequence_number": moment.seq,
            "currency": "USD",
            "kind": "sale",
            "lines": [_line(random, number, amount) for number, amount in enumerate(amounts, 1)],
            "tenders": [{"kind": "card", "amount_minor": sum(amounts)}],
            "utc_offset_minutes": -300,
        },
    }


def _line(random: Random, number: int, amount_minor: int) -> dict[str, int | str]:
    return {
        "line_number": number,
        "product_id": _product(random),
        "quantity": "1",
        "unit_price_minor": amount_minor,
        "amount_minor": amount_minor,
    }


def _behaviour(random: Random, moment: Moment) -> Body:
    """Make up what somebody does in the web shop; every other shopper is known by a device only."""
    number = random.randrange(SHOPPERS)
    subject = moment.shoppers[number], "device" if number % 2 else "identified"
    name, version, data = random.choices(_WEB, _WEB_SHARES)[0](random)
    session_id = f"s-{moment.seq // 20}"
    return _event(moment, subject, {"id": "web", "kind": "web"}, (name, version)) | {
        "data": {**data, "session_id": session_id}
    }


WebEvent = tuple[str, int, Body]


def _view(random: Random) -> WebEvent:
    price_minor = random.randrange(50, 2_000)
    data = {"product_id": _product(random), "price_minor": price_minor, "currency": "USD", "channel": "web"}
    return "ProductViewed", 2, data


def _page(random: Random) -> WebEvent:
    path = f"/c/{random.randrange(200)}"
    return "PageViewed", 1, {"name": "Category", "path": path, "title": "Coffee and tea", "channel": "web"}


def _list(random: Random) -> WebEvent:
    category_id = f"C{random.randrange(200)}"
    data = {"list_id": category_id, "category_id": category_id, "product_ids": [_product(random) for _ in range(12)]}
    return "ListViewed", 1, data


def _search(random: Random) -> WebEvent:
    return "SearchPerformed", 1, {"query": "ground coffee", "results_count": random.randrange(50)}


def _cart(random: Random) -> WebEvent:
    line = {"product_id": _product(random), "quantity": "1", "unit_price_minor": random.randrange(50, 2_000)}
    return "CartChanged", 1, {"cart_id": "cart", "change": "added", "lines": [line], "currency": "USD"}


def _product(random: Random) -> str:
    return f"P{random.randrange(PRODUCTS):05d}"


_WEB: tuple[Callable[[Random], WebEvent], ...] = (_view, _page, _list, _search, _cart)
_WEB_SHARES = (50, 25, 10, 5, 10)

RECEIPTS = Kind(f"receipts of {LINES} lines", "retail.receipts.v1", _receipt)
BEHAVIOUR = Kind("behaviour events", "retail.behaviour.v1", _behaviour)

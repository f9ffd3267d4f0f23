"""Made-up receipts in the shape of `POST /v1/receipts`: ten lines each, from tills that number them in order."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from itertools import islice
from random import Random
from typing import Any

import orjson

from regulars.bench.wire import Request

LINES = 10
STORES = 50
PRODUCTS = 20_000
SEED = 20_260_302

Receipt = dict[str, Any]


@dataclass
class Tills:
    """All tills of a made-up chain; every receipt they write is new. `now` is when the last one is written."""

    now: datetime
    currency: str = "USD"
    lines: int = LINES
    terminal_id: str = "T1"
    _random: Random = field(default_factory=lambda: Random(SEED))  # noqa: S311 - made-up shoppers, no secret
    _written: int = 0

    def receipt(self, card: str) -> Receipt:
        """Write the next receipt, of the holder of a loyalty card."""
        self._written += 1
        amounts = [self._random.randrange(50, 2_000) for _ in range(self.lines)]
        return {
            "store_id": f"S{self._written % STORES:03d}",
            "terminal_id": self.terminal_id,
            "business_date": self.now.date().isoformat(),
            "sequence_number": self._written,
            "kind": "sale",
            "occurred_at": (self.now - timedelta(seconds=1)).isoformat(),
            "currency": self.currency,
            "identifiers": [{"namespace": "loyalty_card", "value": card}],
            "lines": [self._line(number, amount) for number, amount in enumerate(amounts, start=1)],
            "tenders": [{"kind": "card", "amount_minor": sum(amounts)}],
        }

    def receipts(self, cards: Sequence[str], count: int) -> Iterator[Receipt]:
        """Write `count` receipts, the cards taking turns."""
        for number in range(count):
            yield self.receipt(cards[number % len(cards)])

    def _line(self, number: int, amount_minor: int) -> dict[str, int | str]:
        return {
            "line_number": number,
            "product_id": f"P{self._random.randrange(PRODUCTS):05d}",
            "quantity": "1",
            "unit_price_minor": amount_minor,
            "amount_minor": amount_minor,
        }


def cards(count: int) -> list[str]:
    """Return loyalty cards nobody else has."""
    return [f"60{number:08d}" for number in range(1, count + 1)]


def batches(receipts: Iterator[Receipt], size: int) -> list[Request]:
    """Return one request for each `size` receipts."""
    requests = []
    while chosen := list(islice(receipts, size)):
        requests.append(Request("POST", "/v1/receipts", orjson.dumps({"receipts": chosen})))
    return requests


def singles(receipts: Iterator[Receipt]) -> list[Request]:
    return [Request("POST", "/v1/receipts", orjson.dumps(receipt)) for receipt in receipts]

"""Tills that send receipts to ingest and keep a book of what was acknowledged."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import httpx

from tests.faults.deployment import Deployment
from tests.faults.harness import Ledger

BATCH = 15
CARDS = 300
REPEATED = 0.05
TILLS = 3
PER_SECOND = 225.0
AWAY_SECONDS = 0.1
STORE = "S01"
PRODUCTS = ("P1", "P2")
_CARDS = UUID("00000000-0000-5000-8000-000000000002")

Receipt = dict[str, Any]
TillKey = tuple[str, int]


def _just_now() -> datetime:
    return datetime.now(UTC) - timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Sale:
    """What one receipt is worth, whose it is and when it was written: a till prints it again as it was."""

    card: str
    amount_minor: int
    sold_at: datetime = field(default_factory=_just_now)


@dataclass
class Book:
    """What the tills sent, by till's key, and what was acknowledged. Nothing in it comes from a table."""

    sales: dict[TillKey, Sale] = field(default_factory=dict)
    acknowledged: dict[TillKey, UUID] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    answers: Counter[str] = field(default_factory=Counter)
    repeats: int = 0
    unanswered: int = 0

    def note(self, receipts: Sequence[Receipt], results: Sequence[dict[str, Any]]) -> None:
        for receipt, result in zip(receipts, results, strict=True):
            key = key_of(receipt)
            self.answers[result["status"]] += 1
            if result["status"] not in {"accepted", "repeat"}:
                self.contradictions.append(f"{key} was answered with {result}")
                continue
            event_id = UUID(result["message_id"])
            if self.acknowledged.setdefault(key, event_id) != event_id:
                self.contradictions.append(f"{key} was acknowledged as {self.acknowledged[key]} and {event_id}")

    def ledger(self) -> Ledger:
        """Return every acknowledged event with its card, as the recount takes them."""
        return Ledger({event_id: card_id(self.sales[key].card) for key, event_id in self.acknowledged.items()})

    def sold(self) -> dict[UUID, Sale]:
        """Return every acknowledged sale by its event."""
        return {event_id: self.sales[key] for key, event_id in self.acknowledged.items()}


def card_id(card: str) -> UUID:
    """Return an id for a card; the services' own are others."""
    return uuid5(_CARDS, card)


def key_of(receipt: Receipt) -> TillKey:
    return receipt["terminal_id"], receipt["sequence_number"]


@dataclass
class Till:
    """One till: it numbers its receipts, sends them in order, and again until they are acknowledged."""

    terminal_id: str
    book: Book
    chance: random.Random
    per_second: float = PER_SECOND / TILLS
    _number: int = 0

    async def send_until(self, ends: asyncio.Event, client: httpx.AsyncClient) -> None:
        """Send batches until told to end, some receipts of each a second time; the last is acknowledged too."""
        while not ends.is_set():
            next_at = time.monotonic() + BATCH / self.per_second
            again = self._again(self._number)
            batch = [*(self.receipt() for _ in range(BATCH)), *again]
            self.book.repeats += len(again)
            await self.send(batch, client)
            await asyncio.sleep(max(next_at - time.monotonic(), 0.0))

    async def send(self, batch: Sequence[Receipt], client: httpx.AsyncClient) -> None:
        """Send these until they are acknowledged."""
        while not await self._acknowledged(client, batch):
            self.book.unanswered += len(batch)
            await asyncio.sleep(AWAY_SECONDS)

    async def send_everything_again(self, size: int, client: httpx.AsyncClient) -> None:
        """Send all receipts of the till once more, in batches: a day's file uploaded a second time."""
        for start in range(1, self._number + 1, size):
            numbers = range(start, min(start + size, self._number + 1))
            await self.send([self._printed(number) for number in numbers], client)

    def receipt(self) -> Receipt:
        """Write the next receipt into the book."""
        self._number += 1
        sale = Sale(f"60{self.chance.randrange(CARDS):08d}", self.chance.randrange(100, 5_000))
        self.book.sales[self.terminal_id, self._number] = sale
        return self._printed(self._number)

    def _again(self, sent: int) -> list[Receipt]:
        """Return some of the receipts that were sent before, however long ago."""
        count = sum(self.chance.random() < REPEATED for _ in range(BATCH))
        return [self._printed(number) for number in self.chance.sample(range(1, sent + 1), min(count, sent))]

    def _printed(self, number: int) -> Receipt:
        return receipt(self.terminal_id, number, self.book.sales[self.terminal_id, number])

    async def _acknowledged(self, client: httpx.AsyncClient, batch: Sequence[Receipt]) -> bool:
        try:
            answer = await client.post("/v1/receipts", json={"receipts": batch})
        except httpx.TransportError:
            return False
        if answer.status_code in {429, 503}:
            return False
        assert answer.status_code == 200, answer.text
        self.book.note(batch, answer.json()["results"])
        return True


def receipt(terminal_id: str, number: int, sale: Sale) -> Receipt:
    """Return a sale of both products, as a till sends it."""
    at = sale.sold_at
    half = sale.amount_minor // 2
    amounts = (half, sale.amount_minor - half)
    return {
        "store_id": STORE,
        "terminal_id": terminal_id,
        "business_date": at.date().isoformat(),
        "sequence_number": number,
        "kind": "sale",
        "occurred_at": at.isoformat(),
        "currency": "USD",
        "identifiers": [{"namespace": "loyalty_card", "value": sale.card}],
        "lines": [
            {
                "line_number": line,
                "product_id": product_id,
                "quantity": "1",
                "unit_price_minor": amount,
                "amount_minor": amount,
            }
            for line, (product_id, amount) in enumerate(zip(PRODUCTS, amounts, strict=True), start=1)
        ],
        "tenders": [{"kind": "card", "amount_minor": sale.amount_minor}],
    }


def tills(book: Book, seed: int, per_second: float = PER_SECOND) -> list[Till]:
    """Return tills that write so many receipts a second together."""
    return [
        Till(f"T{number}", book, random.Random(seed + number), per_second / TILLS) for number in range(1, TILLS + 1)
    ]


@asynccontextmanager
async def selling(deployment: Deployment, at_tills: Sequence[Till]) -> AsyncIterator[None]:
    """Have these tills send for as long as the context lasts; at its end everything they sent is acknowledged."""
    ends = asyncio.Event()
    async with deployment.client("ingest") as client, asyncio.TaskGroup() as group:
        for till in at_tills:
            group.create_task(till.send_until(ends, client))
        yield
        ends.set()

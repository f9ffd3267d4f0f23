"""Tills that send receipts to ingest and keep a book of what was acknowledged; and the count held against it.

The count reads the book and the final tables alone. It knows no function of the services: which subject belongs to
a card it learns from the rows themselves, and a card with two subjects, or a subject with two cards, is a fault.
"""

import asyncio
import random
from collections import Counter
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid5

import httpx

from shared.db import Database, PoolLimits
from tests.faults.deployment import Deployment
from tests.faults.harness import Ledger, Recount, recount

BATCH = 15
CARDS = 300
REPEATED = 0.05
TILLS = 3
PAUSE_SECONDS = 0.2
AWAY_SECONDS = 0.1
_CARDS = UUID("00000000-0000-5000-8000-000000000002")

Receipt = dict[str, Any]
TillKey = tuple[str, int]


@dataclass(frozen=True)
class Sale:
    """What one receipt is worth, and whose it is."""

    card: str
    amount_minor: int


@dataclass
class Book:
    """What the tills sent, by till's key, and what was acknowledged. Nothing in it comes from a table."""

    sales: dict[TillKey, Sale] = field(default_factory=dict)
    acknowledged: dict[TillKey, UUID] = field(default_factory=dict)
    contradictions: list[str] = field(default_factory=list)
    repeats: int = 0
    unanswered: int = 0

    def note(self, receipts: Sequence[Receipt], results: Sequence[dict[str, Any]]) -> None:
        for receipt, result in zip(receipts, results, strict=True):
            key = key_of(receipt)
            if result["status"] not in {"accepted", "repeat"}:
                self.contradictions.append(f"{key} was answered with {result}")
                continue
            event_id = UUID(result["message_id"])
            if self.acknowledged.setdefault(key, event_id) != event_id:
                self.contradictions.append(f"{key} was acknowledged as {self.acknowledged[key]} and {event_id}")

    def ledger(self) -> Ledger:
        """Return every acknowledged event with its card, as the recount takes them."""
        return Ledger({event_id: card_id(self.sales[key].card) for key, event_id in self.acknowledged.items()})

    def worth(self) -> dict[UUID, int]:
        """Return what each card spent in acknowledged receipts, minor units."""
        spent: Counter[UUID] = Counter()
        for key in self.acknowledged:
            spent[card_id(self.sales[key].card)] += self.sales[key].amount_minor
        return dict(spent)


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
    _number: int = 0
    _sent: list[Receipt] = field(default_factory=list)

    async def send_until(self, ends: asyncio.Event, client: httpx.AsyncClient) -> None:
        """Send batches until told to end, some receipts of each a second time; the last is acknowledged too."""
        while not ends.is_set():
            again = self.chance.sample(self._sent, min(self._repeats(), len(self._sent)))
            batch = [*(self.receipt() for _ in range(BATCH)), *again]
            self.book.repeats += len(again)
            while not await self._acknowledged(client, batch):
                self.book.unanswered += len(batch)
                await asyncio.sleep(AWAY_SECONDS)
            self._sent += batch[:BATCH]
            await asyncio.sleep(PAUSE_SECONDS)

    def receipt(self) -> Receipt:
        """Write the next receipt into the book."""
        self._number += 1
        sale = Sale(f"60{self.chance.randrange(CARDS):08d}", self.chance.randrange(100, 5_000))
        self.book.sales[self.terminal_id, self._number] = sale
        return receipt(self.terminal_id, self._number, sale)

    def _repeats(self) -> int:
        return sum(self.chance.random() < REPEATED for _ in range(BATCH))

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
    """Return a sale of two lines, as a till sends it."""
    at = datetime.now(UTC) - timedelta(seconds=1)
    half = sale.amount_minor // 2
    amounts = (half, sale.amount_minor - half)
    return {
        "store_id": "S01",
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
                "product_id": f"P{line}",
                "quantity": "1",
                "unit_price_minor": amount,
                "amount_minor": amount,
            }
            for line, amount in enumerate(amounts, start=1)
        ],
        "tenders": [{"kind": "card", "amount_minor": sale.amount_minor}],
    }


def tills(book: Book, seed: int) -> list[Till]:
    return [Till(f"T{number}", book, random.Random(seed + number)) for number in range(1, TILLS + 1)]


@dataclass(frozen=True)
class Count:
    """The final tables against the book: of ingest's archive and of profile; `faults` in words."""

    archive: Recount
    profile: Recount
    faults: list[str]

    @property
    def is_exact(self) -> bool:
        return self.archive.is_exact and self.profile.is_exact and not self.faults

    def __str__(self) -> str:
        counted = [
            f"{name}: {len(found.lost)} lost, {len(found.doubled)} doubled, {len(found.unasked)} unasked,"
            f" {len(found.wrong_tallies)} wrong tallies"
            for name, found in (("archive", self.archive), ("profile", self.profile))
        ]
        return "; ".join([*counted, *self.faults[:5]])


@dataclass
class Tables:
    """The final tables of ingest and profile."""

    ingest: Database
    profile: Database

    async def holds(self, receipts: int) -> bool:
        """Tell whether profile's totals hold so many receipts, or more."""
        total: int = await self.profile.fetchval("SELECT coalesce(sum(receipts), 0)::bigint FROM subject_totals")
        return total >= receipts

    async def count(self, book: Book) -> Count:
        """Hold the tables against the book, receipt by receipt and card by card."""
        ledger = book.ledger()
        archived = await self.ingest.fetch("SELECT event_id FROM events WHERE topic = 'retail.receipts.v1'")
        receipts = await self.profile.fetch("SELECT event_id, subject_id, sold_minor FROM receipts")
        totals = await self.profile.fetch("SELECT subject_id, receipts, gross_minor FROM subject_totals")
        pairs = {(row["subject_id"], ledger.acknowledged.get(row["event_id"], row["event_id"])) for row in receipts}
        cards = dict(pairs)
        tallies = {cards.get(row["subject_id"], row["subject_id"]): row["receipts"] for row in totals}
        spent = {cards.get(row["subject_id"], row["subject_id"]): row["gross_minor"] for row in totals}
        return Count(
            recount(ledger, [row["event_id"] for row in archived], Counter(ledger.acknowledged.values())),
            recount(ledger, [row["event_id"] for row in receipts], tallies),
            [
                *book.contradictions,
                *_wrong_money(book, {row["event_id"]: row["sold_minor"] for row in receipts}, spent),
                *await self._stopped(),
                *_mixed_up(pairs),
            ],
        )

    async def _stopped(self) -> list[str]:
        dead = await self.profile.fetch("SELECT type, reason FROM dead_letters")
        forked = await self.profile.fetch(
            "SELECT topic, forked_reason FROM positions WHERE forked_reason IS NOT NULL"
        )
        return [str(dict(row)) for row in (*dead, *forked)]


def _mixed_up(pairs: set[tuple[UUID, UUID]]) -> list[str]:
    """Say which subjects have receipts of two cards, and which cards have two subjects."""
    of_subject, of_card = Counter(subject for subject, _ in pairs), Counter(card for _, card in pairs)
    return [
        *(f"subject {each} has the receipts of {count} cards" for each, count in of_subject.items() if count > 1),
        *(f"card {each} has {count} subjects" for each, count in of_card.items() if count > 1),
    ]


def _wrong_money(book: Book, sold: dict[UUID, int], spent: dict[UUID, int]) -> list[str]:
    asked = {event_id: book.sales[key].amount_minor for key, event_id in book.acknowledged.items()}
    return [*_different("receipt", asked, sold), *_different("card", book.worth(), spent)]


def _different(what: str, asked: dict[UUID, int], held: dict[UUID, int]) -> list[str]:
    wrong = {each: amount for each, amount in asked.items() if held.get(each) != amount}
    return [f"{what} {each}: {amount} became {held.get(each)}" for each, amount in wrong.items()]


@asynccontextmanager
async def open_tables(deployment: Deployment) -> AsyncIterator[Tables]:
    limits = PoolLimits(size_min=1, size_max=2)
    async with AsyncExitStack() as stack:
        opened = []
        for name in ("ingest", "profile"):
            dsn = deployment.databases[name]
            opened.append(await Database.connect(dsn, application="recount", limits=limits))
            stack.push_async_callback(opened[-1].close)
        yield Tables(*opened)

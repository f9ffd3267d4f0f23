"""The count: every place of the five services where a receipt must be found again, held against the tills' book.

The count reads the book and the final tables alone. It knows no function of the services: which subject belongs to
a card it learns from the rows themselves, and a card with two subjects, or a subject with two cards, is a fault.
"""

import asyncio
import gc
import math
from collections import Counter
from collections.abc import AsyncIterator, Callable, Collection, Hashable, Iterable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any
from uuid import UUID

from shared.db import Database, PoolLimits
from tests.faults.deployment import Deployment
from tests.faults.harness import Ledger, Recount, recount
from tests.faults.tills import PRODUCTS, STORE, Book, Sale, card_id
from tests.fixtures.waiting import until

POLL_SECONDS = 0.1
POLL_SECONDS_A_RECEIPT = 2e-5
"""Counting a table again and again takes processor time from those who fill it: the more rows, the less often."""
COUNT_SECONDS = 300.0
"""The longest that one question of the count may take: a million rows are read at once."""
POINT_MINOR = 100
CONSUMERS = ("profile", "recommend", "churn", "campaign")

Worth = Callable[[Sale], int]
Owners = Callable[[Sale], Sequence[Hashable]]
Pairs = set[tuple[UUID, UUID]]
"""(subject, card), as rows of one receipt name them."""


def once(_: Sale) -> int:
    return 1


def spent(sale: Sale) -> int:
    return sale.amount_minor


def points(sale: Sale) -> int:
    return sale.amount_minor // POINT_MINOR


def lines(_: Sale) -> int:
    return len(PRODUCTS)


def card(sale: Sale) -> Sequence[Hashable]:
    return [card_id(sale.card)]


def products(_: Sale) -> Sequence[Hashable]:
    return PRODUCTS


def store(_: Sale) -> Sequence[Hashable]:
    return [STORE]


@dataclass(frozen=True)
class Facts:
    """A table with one row for each receipt: `query` gives event_id, subject_id and worth."""

    service: str
    what: str
    query: str
    worth: Worth

    @property
    def place(self) -> str:
        return f"{self.service}'s {self.what}"


@dataclass(frozen=True)
class Sums:
    """A table that adds receipts up: `query` gives owner and worth; a card's owner is its subject."""

    service: str
    what: str
    query: str
    worth: Worth
    owners: Owners

    @property
    def place(self) -> str:
        return f"{self.service}'s {self.what}"


FACTS = (
    Facts(
        "ingest",
        "archive",
        "SELECT event_id, key::uuid AS subject_id, 1 AS worth FROM events WHERE topic = 'retail.receipts.v1'",
        once,
    ),
    Facts(
        "ingest",
        "log",
        "SELECT event_id, key::uuid AS subject_id, 1 AS worth FROM numbered WHERE topic = 'retail.receipts.v1'",
        once,
    ),
    Facts("profile", "receipts", "SELECT event_id, subject_id, sold_minor AS worth FROM receipts", spent),
    # Campaign says the points in its own log, which profile reads: two producers lie behind these.
    Facts(
        "profile",
        "moments of points",
        "SELECT (detail->>'receipt_id')::uuid AS event_id, subject_id, (detail->>'points')::bigint AS worth"
        " FROM moments WHERE type = 'PointsPosted'",
        points,
    ),
    Facts(
        "recommend",
        "receipts",
        "SELECT event_id, subject_id, jsonb_array_length(moved) AS worth FROM receipts",
        lines,
    ),
    Facts("churn", "receipts", "SELECT event_id, subject_id, sold_minor AS worth FROM receipts", spent),
    Facts(
        "campaign", "receipts", "SELECT receipt_id AS event_id, subject_id, sold_minor AS worth FROM receipts", spent
    ),
    Facts("campaign", "lots", "SELECT lot_id AS event_id, subject_id, earned AS worth FROM points_lots", points),
)
SUMS = (
    Sums(
        "profile", "receipts by card", "SELECT subject_id AS owner, receipts AS worth FROM subject_totals", once, card
    ),
    Sums(
        "profile",
        "spend by card",
        "SELECT subject_id AS owner, gross_minor AS worth FROM subject_totals",
        spent,
        card,
    ),
    Sums(
        "profile",
        "receipts by store",
        "SELECT store_id AS owner, sum(receipts)::bigint AS worth FROM store_totals GROUP BY store_id",
        once,
        store,
    ),
    Sums(
        "recommend",
        "popularity",
        "SELECT product_id AS owner, sum(purchases)::bigint AS worth FROM popularity GROUP BY product_id",
        once,
        products,
    ),
    Sums(
        "campaign", "points by card", "SELECT subject_id AS owner, active AS worth FROM points_accounts", points, card
    ),
    Sums(
        "campaign",
        "ledger by card",
        "SELECT subject_id AS owner, sum(points)::bigint AS worth FROM ledger_lines"
        " WHERE account = 'member.active' GROUP BY subject_id",
        points,
        card,
    ),
)


@dataclass(frozen=True)
class Count:
    """The final tables against the book: a recount of each place with facts, and `faults` in words."""

    recounts: Mapping[str, Recount]
    faults: Sequence[str]

    @property
    def is_exact(self) -> bool:
        return not self.faults and all(found.is_exact for found in self.recounts.values())

    def __str__(self) -> str:
        if self.is_exact:
            return f"{len(self.recounts)} tables of facts and {len(SUMS)} of sums: 0 lost, 0 doubled, 0 wrong"
        wrong = [
            f"{place}: {len(found.lost)} lost, {len(found.doubled)} doubled, {len(found.unasked)} unasked"
            for place, found in self.recounts.items()
            if not found.is_exact
        ]
        return "; ".join([*wrong, *self.faults[:5]])


@dataclass(frozen=True)
class Tables:
    """The tables of the deployed services, by service."""

    databases: Mapping[str, Database]

    async def seconds_until_level(self, book: Book, seconds_max: float) -> dict[str, float]:
        """Wait for what is acknowledged now to be everywhere; return after how long it was, by place.

        It is infinity where it never was: the count says then what is missing.
        """
        asked = list(book.acknowledged.values())
        waits = [self._seconds_until_held(facts, asked, seconds_max) for facts in FACTS]
        return dict(zip([facts.place for facts in FACTS], await asyncio.gather(*waits), strict=True))

    async def _seconds_until_held(self, facts: Facts, asked: Collection[UUID], seconds_max: float) -> float:
        pause_seconds = max(POLL_SECONDS, POLL_SECONDS_A_RECEIPT * len(asked))
        try:
            return await until(partial(self._holds, facts, asked), seconds_max, pause_seconds=pause_seconds)
        except AssertionError:
            return math.inf

    async def _holds(self, facts: Facts, asked: Collection[UUID]) -> bool:
        database = self.databases[facts.service]
        # Asked first, since it costs little where there are a million: too few rows cannot hold them all.
        if await database.fetchval(f"SELECT count(*) FROM ({facts.query}) AS held") < len(asked):
            return False
        found: int = await database.fetchval(
            f"SELECT count(DISTINCT event_id) FROM ({facts.query}) AS held WHERE event_id = ANY($1::uuid[])", asked
        )
        return found == len(asked)

    async def count(self, book: Book) -> Count:
        """Hold the tables against the book, receipt by receipt and owner by owner.

        Without looking for garbage: among a million receipts that takes longer than a server waits for its client.
        """
        gc.disable()
        try:
            return await self._counted(book)
        finally:
            gc.enable()

    async def _counted(self, book: Book) -> Count:
        ledger, sold = book.ledger(), book.sold()
        pairs = await self._pairs(ledger)
        cards = dict(pairs)
        recounts, faults = {}, [*book.contradictions, *_mixed_up(pairs)]
        for facts in FACTS:
            held = await self.databases[facts.service].fetch(facts.query)
            tallies = Counter(cards.get(row["subject_id"], row["subject_id"]) for row in held)
            recounts[facts.place] = recount(ledger, [row["event_id"] for row in held], tallies)
            asked = {event_id: facts.worth(sale) for event_id, sale in sold.items()}
            faults += _different(facts.place, asked, {row["event_id"]: row["worth"] for row in held})
        for sums in SUMS:
            held = await self.databases[sums.service].fetch(sums.query)
            by_owner = {cards.get(row["owner"], row["owner"]): row["worth"] for row in held}
            faults += _different(sums.place, _added_up(sums, sold.values()), by_owner)
        return Count(recounts, [*faults, *await self._stopped()])

    async def _pairs(self, ledger: Ledger) -> Pairs:
        """Return whose card every service's rows say each subject has; one table at a time, they may be long."""
        pairs: Pairs = set()
        for facts in FACTS:
            for row in await self.databases[facts.service].fetch(facts.query):
                pairs.add((row["subject_id"], ledger.acknowledged.get(row["event_id"], row["event_id"])))
        return pairs

    async def _stopped(self) -> list[str]:
        """Say what consumers put aside, and which of their lines they stopped."""
        found: list[str] = []
        for service in CONSUMERS:
            database = self.databases[service]
            dead = await database.fetch("SELECT type, reason FROM dead_letters")
            forked = await database.fetch(
                "SELECT topic, forked_reason FROM positions WHERE forked_reason IS NOT NULL"
            )
            found += [f"{service}: {dict(row)}" for row in (*dead, *forked)]
        return found


def _added_up(sums: Sums, sold: Iterable[Sale]) -> dict[Hashable, int]:
    asked: Counter[Hashable] = Counter()
    for sale in sold:
        for owner in sums.owners(sale):
            asked[owner] += sums.worth(sale)
    return dict(asked)


def _mixed_up(pairs: Pairs) -> list[str]:
    """Say which subjects have receipts of two cards, and which cards have two subjects, whichever service says so."""
    of_subject, of_card = Counter(subject for subject, _ in pairs), Counter(card for _, card in pairs)
    return [
        *(f"subject {each} has the receipts of {count} cards" for each, count in of_subject.items() if count > 1),
        *(f"card {each} has {count} subjects" for each, count in of_card.items() if count > 1),
    ]


def _different(place: str, asked: Mapping[Any, int], held: Mapping[Any, int]) -> list[str]:
    wrong = [each for each in asked.keys() | held.keys() if asked.get(each) != held.get(each)]
    return [f"{place}, {each}: {asked.get(each)} became {held.get(each)}" for each in wrong]


@asynccontextmanager
async def open_tables(deployment: Deployment) -> AsyncIterator[Tables]:
    """Open the databases of every service deployed."""
    limits = PoolLimits(size_min=1, size_max=2, acquire_seconds=COUNT_SECONDS, command_seconds=COUNT_SECONDS)
    async with AsyncExitStack() as stack:
        opened = {}
        for name, dsn in deployment.databases.items():
            opened[name] = await Database.connect(dsn, application="recount", limits=limits)
            stack.push_async_callback(opened[name].close)
        yield Tables(opened)

"""How fast customers are scored, how soon one's standing is answered, and how long training takes.

The customers are Complete Journey's, loaded through ingest and trained on; then their receipts are copied inside the
service's own database under other ids, since a few hundred customers are scored before a clock could tell.
"""

import asyncio
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from uuid import UUID

import httpx

from regulars.bench.figures import Bare, Figure
from regulars.bench.history import load_history
from regulars.bench.pace import Run, at_rate, connected
from regulars.bench.start import memory_after
from regulars.bench.temporary import Say, Temporary
from regulars.bench.wire import Request, UnexpectedAnswer
from regulars.training import train
from services.churn.judging import READ_BACK_DAYS
from services.churn.settings import Settings
from services.churn.store.history import read_history
from services.churn.store.scores import OFFLINE
from shared.clock import SystemClock
from shared.db import Database

CONNECTIONS = 8
SCORE_SECONDS = 120.0
BARE_READING = "only reading the same purchases from the database"
BARE_ROUTE = "/health/live at the same rate"
# Other receipts of other customers, made from those that are there; n tells the copies apart.
COPY = (
    "INSERT INTO receipts (receipt_id, event_id, subject_id, identified, kind, day, occurred_at, hour, store_id,"
    " currency, sold_minor, returned_minor, items, discount_minor, coupon_minor, products)"
    " SELECT md5(receipt_id::text || n)::uuid, md5(event_id::text || n)::uuid, md5(subject_id::text || n)::uuid,"
    " identified, kind, day, occurred_at, hour, store_id, currency, sold_minor, returned_minor, items,"
    " discount_minor, coupon_minor, products FROM receipts CROSS JOIN generate_series(2, $1::int) AS n"
    " WHERE identified"
)


@dataclass(frozen=True, slots=True)
class Sizes:
    """How many real households are loaded, how often each is counted, and how long its standing is asked for."""

    households: int = 300
    copies: int = 10
    per_second: float = 20.0
    seconds: float = 20.0

    def in_words(self) -> str:
        return (
            f"a year of {self.households} households of Complete Journey loaded and trained on, then each counted"
            f" {self.copies} times; GET at {self.per_second:g}/s for {self.seconds:g} s"
        )


def measure(deployment: Temporary, say: Say, sizes: Sizes | None = None) -> list[Figure]:
    """Measure on an empty deployment, which is left filled. Raises TrainingFailed, UnexpectedAnswer, NoAnswer."""
    sizes = sizes or Sizes()
    load_history(deployment, sizes.households, say)
    began = time.perf_counter()
    train(deployment.folder, "churn", say)
    training_seconds = time.perf_counter() - began
    yesterday = SystemClock().now().date() - timedelta(days=1)
    read_seconds = asyncio.run(_copied_and_read(deployment.credentials.database["churn"], sizes.copies, yesterday))
    say("scoring everybody")
    scored, score_seconds = _scored(deployment, yesterday)
    say(f"asking for one customer's standing {sizes.per_second:g} times a second")
    answers, bare = asyncio.run(_asked(deployment, sizes))
    return [
        Figure(
            "customers scored",
            scored / score_seconds,
            "customers/s",
            bare=Bare(BARE_READING, scored / read_seconds),
            note=f"{scored:,} customers in {score_seconds:.1f} s, the start of the scoring process included",
        ),
        Figure("GET /v1/customers/{id}/churn, p50", answers.spread.p50_ms, "ms", bare=_bare(bare.spread.p50_ms)),
        Figure("GET /v1/customers/{id}/churn, p99", answers.spread.p99_ms, "ms", bare=_bare(bare.spread.p99_ms)),
        Figure("training", training_seconds, "s", note=f"{sizes.households} households, the gate included"),
        *memory_after(deployment, "churn"),
    ]


def _bare(value: float) -> Bare:
    return Bare(BARE_ROUTE, value)


async def _copied_and_read(dsn: str, copies: int, until: date) -> float:
    """Copy the customers, then read every purchase as scoring does; return the seconds that the reading took."""
    database = await Database.connect(dsn, application="bench-churn", limits=OFFLINE)
    try:
        await database.execute(COPY, copies)
        await database.execute("ANALYZE receipts")
        currency: str = await database.fetchval("SELECT currency FROM receipts LIMIT 1")
        level: int = Settings.model_fields["category_level"].default
        began = time.perf_counter()
        await read_history(
            database,
            since=until - timedelta(days=READ_BACK_DAYS),
            until=until,
            currency=currency,
            category_level=level,
        )
        return time.perf_counter() - began
    finally:
        await database.close()


def _scored(deployment: Temporary, as_of: date) -> tuple[int, float]:
    """Score all customers over HTTP; return how many and the seconds it took."""
    url = f"{deployment.address('churn')}/v1/score"
    began = time.perf_counter()
    answer = httpx.post(
        url, json={"as_of": as_of.isoformat()}, headers=deployment.headers, timeout=SCORE_SECONDS, trust_env=False
    )
    seconds = time.perf_counter() - began
    if answer.status_code != httpx.codes.OK:
        raise UnexpectedAnswer(f"scoring was answered {answer.status_code}: {answer.text[:500]}")
    return int(answer.json()["result"]["customers"]), seconds


async def _asked(deployment: Temporary, sizes: Sizes) -> tuple[Run, Run]:
    """Ask for customers' standing, then the bare route, at the same rate."""
    count = round(sizes.per_second * sizes.seconds)
    ids = await _customer_ids(deployment.credentials.database["churn"], count)
    wanted = [Request("GET", f"/v1/customers/{ids[number % len(ids)]}/churn") for number in range(count)]
    bare = [Request("GET", "/health/live")] * max(1, count // 4)
    async with connected(deployment.address("churn"), deployment.headers, CONNECTIONS) as opened:
        answers = (await at_rate(opened, wanted, sizes.per_second)).checked()
        return answers, (await at_rate(opened, bare, sizes.per_second)).checked()


async def _customer_ids(dsn: str, count: int) -> Sequence[UUID]:
    database = await Database.connect(dsn, application="bench-churn", limits=OFFLINE)
    try:
        rows = await database.fetch(
            "SELECT DISTINCT subject_id FROM receipts WHERE identified ORDER BY subject_id LIMIT $1", count
        )
        return [row["subject_id"] for row in rows]
    finally:
        await database.close()

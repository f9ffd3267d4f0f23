"""Working out how good the lists of each day were, keeping it, and saying when it falls."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta
from uuid import UUID
from zoneinfo import ZoneInfo

import structlog

from services.recommend import metrics
from services.recommend.domain.quality import (
    EARLIER_DAYS,
    FALLING,
    RECENT_DAYS,
    RISING,
    Alert,
    Assorted,
    Day,
    Judged,
    alerts_of,
    figures_of,
    grouped,
)
from services.recommend.errors import InvalidQuestion
from services.recommend.store import quality, sales
from services.recommend.store.quality import QualityRow
from shared.clock import Clock
from shared.db import Database, Row

log = structlog.get_logger()

LISTS_OF_A_DAY_MAX = 10_000
SPAN_DAYS_MAX = 92
OPEN_DAYS_MAX = 62
_LOOKED_AT_DAYS = RECENT_DAYS + EARLIER_DAYS


@dataclass(frozen=True, slots=True)
class Measuring:
    """How days are cut and how long a next basket is waited for."""

    time_zone: str
    window_days: int

    def day_of(self, moment: datetime) -> date:
        return moment.astimezone(ZoneInfo(self.time_zone)).date()

    def start_of(self, day: date) -> datetime:
        return datetime.combine(day, time(), ZoneInfo(self.time_zone))

    def is_final(self, day: date, now: datetime) -> bool:
        return self.start_of(day + timedelta(days=1 + self.window_days)) <= now


@dataclass(frozen=True, slots=True)
class Quality:
    """What is kept of some days, and what has got worse lately, by placement."""

    rows: Sequence[QualityRow]
    alerts: Mapping[str, Sequence[Alert]]


async def measure(database: Database, clock: Clock, measuring: Measuring) -> None:
    """Work out every day of which lists are kept and whose figures can still change; tell what fell."""
    now = clock.now()
    for day in await _open_days(database, measuring, now):
        rows = await measured_day(database, measuring, day, now)
        async with database.transaction() as tx:
            await quality.keep(tx, day, rows)
    today = measuring.day_of(now)
    async with database.session() as session:
        await quality.forget(session, today - timedelta(days=quality.KEPT_DAYS))
    tell(await alerts(database, today))


def tell(found: Mapping[str, Sequence[Alert]]) -> None:
    """Set what watches watch: 1 for each figure that fell, 0 for the others."""
    for placement, worse in found.items():
        names = {alert.figure for alert in worse}
        for figure in (*FALLING, *RISING):
            metrics.QUALITY_ALERT.labels(placement, figure).set(figure in names)
        for alert in worse:
            log.warning(
                "quality.fell", placement=placement, figure=alert.figure, usual=alert.usual, now=round(alert.now, 4)
            )


async def _open_days(database: Database, measuring: Measuring, now: datetime) -> list[date]:
    async with database.session() as session:
        oldest = await quality.oldest_shown(session)
        if oldest is None:
            return []
        # A request may name any moment as its own; only days that have not long been over are looked at.
        first = max(measuring.day_of(oldest), measuring.day_of(now) - timedelta(days=OPEN_DAYS_MAX))
        done = await quality.final_days(session, first)
    days = (measuring.day_of(now) - first).days
    return [day for n in range(days + 1) if (day := first + timedelta(days=n)) not in done]


async def measured_day(database: Database, measuring: Measuring, day: date, now: datetime) -> list[QualityRow]:
    """Return the figures of a day's lists, by placement and group."""
    since, until = measuring.start_of(day), measuring.start_of(day + timedelta(days=1))
    by_placement: dict[str, list[Judged]] = {}
    after: UUID | None = None
    for _ in range(LISTS_OF_A_DAY_MAX // quality.LISTS_AT_ONCE):
        rows = await quality.lists_of(database, since, until, after)
        for placement, judged in await _judged(database, rows, since, measuring.window_days, now):
            by_placement.setdefault(placement, []).append(judged)
        if len(rows) < quality.LISTS_AT_ONCE:
            break
        after = rows[-1]["request_id"]
    assorted = await _assorted(database, by_placement, day)
    is_final = measuring.is_final(day, now)
    return [
        QualityRow(day, placement, group, is_final, figures_of(part, assorted))
        for placement, lists in by_placement.items()
        for group, part in grouped(lists).items()
    ]


async def _judged(
    database: Database, rows: Sequence[Row], day_start: datetime, window_days: int, now: datetime
) -> list[tuple[str, Judged]]:
    customers = {row["customer_id"] for row in rows if row["customer_id"] is not None}
    if not rows:
        return []
    since, last = min(row["shown_at"] for row in rows), max(row["shown_at"] for row in rows)
    window = timedelta(days=window_days)
    before = await sales.counted_before(database, customers, day_start)
    purchases = await sales.between(database, customers, since, min(now, last + window))
    return [
        (row["placement"], _judgement(row, before, purchases.get(row["customer_id"], ()), window)) for row in rows
    ]


def _judgement(row: Row, before: Mapping[UUID, int], purchases: Sequence[Row], window: timedelta) -> Judged:
    shown_at, customer_id = row["shown_at"], row["customer_id"]
    later = [each for each in purchases if shown_at < each["occurred_at"] <= shown_at + window]
    first = min(later, key=lambda each: (each["occurred_at"], each["receipt_id"]), default=None)
    basket = None
    if first is not None:
        basket = frozenset(product_id for product_id, quantity in first["moved"] if quantity >= 0)
    return Judged(
        row["product_ids"],
        row["fallback_level"],
        basket,
        None if customer_id is None else before.get(customer_id, 0),
        row["was_clicked"],
        row["took_ms"],
        row["shelf_age_s"],
        model_age_days(row["model_version"], shown_at),
    )


def model_age_days(version: str, at: datetime) -> float | None:
    """Return how old a trained version was, whose name begins with when it was made; None for what is untrained."""
    try:
        made_at = datetime.strptime(f"{version.partition('-')[0]}+0000", "%Y%m%dT%H%M%S%f%z")
    except ValueError:
        return None
    return max(0.0, (at - made_at) / timedelta(days=1))


async def _assorted(database: Database, lists: Mapping[str, Sequence[Judged]], day: date) -> Assorted:
    shown = {product_id for part in lists.values() for each in part for product_id in each.product_ids}
    async with database.session() as session:
        return Assorted(
            await quality.product_types(session, shown),
            await quality.purchase_shares(session, day - timedelta(days=28), day),
            await quality.recommendable_products(session),
        )


async def alerts(database: Database, today: date) -> dict[str, list[Alert]]:
    """Return what got worse lately in each placement of the last weeks."""
    async with database.session() as session:
        rows = await quality.kept(session, today - timedelta(days=2 * _LOOKED_AT_DAYS), today, group="all")
    days: dict[str, list[Day]] = {}
    for row in rows:
        days.setdefault(row.placement, []).append(Day(row.day, row.figures, row.is_final))
    return {placement: alerts_of(found, today) for placement, found in sorted(days.items())}


@dataclass(frozen=True, slots=True)
class Asked:
    """Which days are asked for; the last four weeks where none are named. None: every placement or group."""

    since: date | None = None
    until: date | None = None
    placement: str | None = None
    group: str | None = None


async def report(database: Database, today: date, asked: Asked) -> Quality:
    """Return the figures of some days. Raises InvalidQuestion."""
    last = asked.until or today
    first = asked.since or last - timedelta(days=EARLIER_DAYS - 1)
    if first > last:
        raise InvalidQuestion("lies after until; swap them", field="from")
    if (last - first).days >= SPAN_DAYS_MAX:
        raise InvalidQuestion(f"at most {SPAN_DAYS_MAX} days at once; ask for a later from", field="from")
    async with database.session() as session:
        rows = await quality.kept(session, first, last, asked.placement, asked.group)
    found = await alerts(database, today)
    return Quality(rows, {name: each for name, each in found.items() if asked.placement in {None, name}})

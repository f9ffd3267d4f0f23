"""Counting experiments: each person's lists, clicks and receipts, added up into a few sums by variant."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from itertools import groupby
from uuid import UUID

from services.recommend.domain.attribution import Bought, Touch, credited
from services.recommend.domain.experiments import Experiment, Method
from services.recommend.domain.interleaving import credits_of
from services.recommend.domain.outcomes import Counted, Outcome, Tally
from services.recommend.store import experiments as store
from services.recommend.store import sales
from services.recommend.store.experiments import ShownList
from shared.clock import Clock
from shared.db import Database, Row


async def count_all(database: Database, clock: Clock) -> None:
    """Count every experiment whose figures can still change, one after another."""
    now = clock.now()
    async with database.session() as session:
        waiting = await store.unfinished(session, now)
    for experiment in waiting:
        counted = await count(database, experiment, now)
        async with database.session() as session:
            await store.keep_result(session, experiment.experiment_id, counted)


async def count(database: Database, experiment: Experiment, now: datetime) -> Counted:
    """Return the tallies of everybody who was shown a list up to now, page by page of people."""
    tallies: dict[str, Tally] = {}
    left_out, unit = 0, ""
    while True:
        lists, more = await store.lists_after(database, experiment.experiment_id, unit, now)
        if not lists:
            return Counted(now, tallies, left_out)
        left_out += more
        purchases = await _purchases(database, lists, experiment, now)
        for unit, own in groupby(lists, key=lambda each: each.unit):
            shown = list(own)
            tally = tallies.setdefault(shown[0].variant, Tally())
            tally.add(outcome_of(shown, purchases.get(unit, ()), experiment))


async def _purchases(
    database: Database, lists: Sequence[ShownList], experiment: Experiment, now: datetime
) -> Mapping[str, Sequence[Bought]]:
    """Return what each person bought from their first list on, as long after the last as is credited."""
    customers = {each.customer_id: each.unit for each in lists if each.customer_id is not None}
    if not customers:
        return {}
    since = min(each.shown_at for each in lists)
    until = min(now, max(each.shown_at for each in lists) + timedelta(days=experiment.attribution_days))
    found = await sales.between(database, customers.keys(), since, until)
    bought: dict[str, list[Bought]] = {}
    for customer_id, rows in found.items():
        bought.setdefault(customers[customer_id], []).extend(_bought(rows))
    return bought


def _bought(rows: Iterable[Row]) -> list[Bought]:
    return [
        Bought(row["occurred_at"], row["receipt_id"], product_id)
        for row in rows
        for product_id, quantity in row["moved"]
        if quantity >= 0
    ]


def outcome_of(lists: Sequence[ShownList], bought: Sequence[Bought], experiment: Experiment) -> Outcome:
    """Return one person's outcome; of an interleaving also how often each list's products were acted on or bought."""
    touches = [_touch(each, product_id) for each in lists for product_id in each.product_ids]
    credits_ = credited(touches, bought, experiment.attribution_days)
    first, last = lists[0].shown_at, lists[-1].shown_at + timedelta(days=experiment.attribution_days)
    timed = [each.took_ms for each in lists if each.took_ms is not None]
    acted = {each.request_id: set(each.acted_on) for each in lists}
    for credit in credits_:
        acted[credit.touch.request_id].add(credit.touch.product_id)
    lost, won = _preferences(lists, acted) if experiment.method is Method.INTERLEAVING else (0, 0)
    return Outcome(
        lists=len(lists),
        clicked_lists=sum(bool(each.acted_on) for each in lists),
        fallback_lists=sum(each.fallback_level > 0 for each in lists),
        empty_lists=sum(not each.product_ids for each in lists),
        took_ms=sum(timed),
        timed_lists=len(timed),
        attributed=len(credits_),
        attributed_clicked=sum(credit.touch.clicked for credit in credits_),
        products_bought=len({(each.receipt_id, each.product_id) for each in bought if first < each.at <= last}),
        won=won,
        lost=lost,
    )


def _touch(shown: ShownList, product_id: str) -> Touch:
    return Touch(shown.shown_at, shown.request_id, product_id, product_id in shown.acted_on)


def _preferences(lists: Sequence[ShownList], acted: Mapping[UUID, set[str]]) -> tuple[int, int]:
    """Return how many products of the first and of the second variant the person acted on or bought."""
    pairs = [
        credits_of(dict(zip(each.product_ids, each.teams or (), strict=False)), acted[each.request_id])
        for each in lists
    ]
    return sum(first for first, _ in pairs), sum(second for _, second in pairs)

"""Owns the moments that training and evaluation look from: whose history ends when, and which basket comes next."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.history import Floats
from services.recommend.knowledge import Knowledge, learn, popularity_before
from services.recommend.ranking.shoppers import Shopper, shopper_of
from services.recommend.training.dataset import Dataset

HORIZON_DAYS = 28.0
ORIGIN_STEP_DAYS = 14.0
ORIGINS = 9
LATER_BASKETS = 2
_LEAST_HISTORY_DAYS = 56.0


class TooLittleDataError(ValueError):
    """The receipts do not reach far enough back to train a ranker."""


@dataclass(frozen=True)
class Target:
    """A basket to be predicted, and the moment up to which its customer's history is known."""

    customer: int
    basket: int
    now: float
    later: tuple[int, ...] = ()
    """Baskets after it that training may look at too; none of a test's."""


@dataclass(frozen=True)
class Origin:
    """A cut through all customers' histories: each is known before `ends[customer]`, everything before `as_of`."""

    as_of: float
    ends: Floats
    targets: tuple[Target, ...]


def origin_at(dataset: Dataset, cut: float, horizon_days: float = HORIZON_DAYS) -> Origin:
    """Cut everybody at one moment; the target is each customer's first basket within the horizon."""
    customers = range(len(dataset.customer_ids))
    found = (_first_basket(dataset, customer, cut, cut + horizon_days) for customer in customers)
    return Origin(cut, np.full(len(customers), cut), tuple(target for target in found if target))


def origin_before_last(dataset: Dataset, back: int = 0) -> Origin:
    """Cut each customer just before their last basket (back=0), or `back` baskets earlier."""
    ends = np.full(len(dataset.customer_ids), -np.inf)
    targets = []
    for customer in range(ends.size):
        first, end = dataset.basket_starts[customer : customer + 2]
        basket = int(end) - 1 - back
        if basket < first:
            continue
        ends[customer] = dataset.at[basket]
        if dataset.basket_count_before(customer, float(ends[customer])):
            later = range(basket + 1, int(end) - 1)[:LATER_BASKETS]
            targets.append(Target(customer, basket, float(ends[customer]), tuple(later)))
    known = ends[np.isfinite(ends)]
    return Origin(float(known.max(initial=0.0)), ends, tuple(targets))


def training_cuts(dataset: Dataset, before: float, count: int = ORIGINS) -> list[float]:
    """Return the cuts whose targets all lie before `before`, latest first, each with eight weeks of history."""
    cuts = [before - HORIZON_DAYS - ORIGIN_STEP_DAYS * step for step in range(count)]
    kept = [cut for cut in cuts if cut - float(dataset.at.min()) >= _LEAST_HISTORY_DAYS]
    if not kept:
        raise TooLittleDataError("a ranker needs 12 weeks of receipts: eight to look at, four to predict")
    return kept


def knowledge_at(dataset: Dataset, assortment: Assortment, origin: Origin) -> Knowledge:
    return learn(dataset, assortment, origin.as_of, origin.ends)


def by_day(dataset: Dataset, knowledge: Knowledge, origin: Origin) -> Iterator[tuple[Knowledge, Origin]]:
    """Yield the targets of each UTC day, with the knowledge and what was popular when that day began.

    A request finds popularity as of its own time, so whoever is cut at a moment of their own must be seen with that
    of theirs, not of the latest cut. Targets that are all cut at `as_of` keep what was learned.
    """
    days = np.floor([target.now for target in origin.targets])
    if all(target.now == origin.as_of for target in origin.targets):
        yield knowledge, origin
        return
    for day in np.unique(days).tolist():
        popularity = popularity_before(dataset, day, np.minimum(origin.ends, day))
        targets = tuple(target for target, its in zip(origin.targets, days, strict=True) if its == day)
        yield replace(knowledge, popularity=popularity), replace(origin, targets=targets)


def shoppers(dataset: Dataset, knowledge: Knowledge, origin: Origin) -> Iterator[tuple[Target, Shopper]]:
    """Yield each target with its customer as known at that moment."""
    for target in origin.targets:
        history = dataset.history(target.customer, target.now)
        yield target, shopper_of(history, knowledge, target.customer)


def _first_basket(dataset: Dataset, customer: int, cut: float, until: float) -> Target | None:
    known = dataset.basket_count_before(customer, cut)
    basket = int(dataset.basket_starts[customer]) + known
    if not known or basket >= dataset.basket_starts[customer + 1] or dataset.at[basket] >= until:
        return None
    later = range(basket + 1, int(dataset.basket_starts[customer]) + dataset.basket_count_before(customer, until))
    return Target(customer, basket, cut, tuple(later[:LATER_BASKETS]))

"""Owns candidates that are cheaper than usual now: looked up in what changes only where some price begins or ends."""

from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import datetime
from functools import lru_cache, partial

import numpy as np

from services.recommend.domain.promotions import PricePeriod, Promotion, promotions_at
from services.recommend.history import Ints

SPANS_KEPT = 512

Span = tuple[str | None, datetime]
"""A store with prices of its own (None: any other), and when some price last began or ended: within it all stays."""
ByProduct = Mapping[str, Sequence[PricePeriod]]


class Promotions:
    """The prices of every product that has one for a time; immutable. A span's answer is worked out once."""

    def __init__(self, periods: Iterable[PricePeriod] = ()) -> None:
        """Take temporary prices and, of the same products, the standing ones."""
        self.periods = tuple(periods)
        ends = (each.valid_until_at for each in self.periods if each.valid_until_at is not None)
        self._changes = sorted({*(each.valid_from_at for each in self.periods), *ends})
        self._own = _by_store(self.periods)
        # Over functions of their own: a bound method would tie this to itself, and old ones would pile up.
        everywhere = lru_cache(maxsize=SPANS_KEPT)(partial(_everywhere, self._own.get(None, {})))
        self._within = lru_cache(maxsize=SPANS_KEPT)(partial(_in_store, self._own, everywhere))

    def span(self, store_id: str | None, now: datetime) -> Span | None:
        """Return the span that a moment lies in; None before the first price began."""
        place = bisect_right(self._changes, now)
        return (store_id if store_id in self._own else None, self._changes[place - 1]) if place else None

    def within(self, span: Span) -> Mapping[str, Promotion]:
        """Return what is on offer in a span, by product."""
        return self._within(*span)

    def at(self, store_id: str | None, now: datetime) -> Mapping[str, Promotion]:
        """Return what is on offer in a store at a moment, by product; for None, what is everywhere."""
        span = self.span(store_id, now)
        return {} if span is None else self.within(span)


def indices_of(promoted: Iterable[str], index: Mapping[str, int]) -> Ints:
    """Return the places of products in an assortment, in ascending order; those that it lacks are left out."""
    return np.sort(np.array([index[name] for name in promoted if name in index], np.int64))


def _by_store(periods: Iterable[PricePeriod]) -> Mapping[str | None, ByProduct]:
    found: dict[str | None, dict[str, list[PricePeriod]]] = defaultdict(lambda: defaultdict(list))
    for each in periods:
        found[each.store_id][each.product_id].append(each)
    return {store_id: dict(products) for store_id, products in found.items()}


def _everywhere(prices: ByProduct, now: datetime) -> Mapping[str, Promotion]:
    return promotions_at((each for of_product in prices.values() for each in of_product), None, now)


def _in_store(
    own: Mapping[str | None, ByProduct],
    everywhere: Callable[[datetime], Mapping[str, Promotion]],
    store_id: str | None,
    now: datetime,
) -> Mapping[str, Promotion]:
    """Return what is on offer in a store: only products with a price of the store's own differ from everywhere."""
    if store_id is None:
        return everywhere(now)
    mine, chain = own[store_id], own.get(None, {})
    here = promotions_at((each for name in mine for each in (*mine[name], *chain.get(name, ()))), store_id, now)
    return {**{name: each for name, each in everywhere(now).items() if name not in mine}, **here}

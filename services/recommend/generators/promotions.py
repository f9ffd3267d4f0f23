"""Owns candidates that are cheaper than usual now: looked up in what changes only where some price begins or ends."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import datetime
from functools import lru_cache, partial

import numpy as np

from services.recommend.domain.promotions import PricePeriod, Promotion, promotions_at
from services.recommend.history import Ints

_MOMENTS_KEPT = 512


class Promotions:
    """The prices of every product that has one for a time; immutable. A moment's answer is worked out once."""

    def __init__(self, periods: Iterable[PricePeriod] = ()) -> None:
        """Take temporary prices and, of the same products, the standing ones."""
        kept = tuple(periods)
        ends = (each.valid_until_at for each in kept if each.valid_until_at is not None)
        self._changes = sorted({*(each.valid_from_at for each in kept), *ends})
        self._stores = {each.store_id for each in kept}
        # Over a function of its own: a bound method would tie this to itself, and old ones would pile up.
        self._since = lru_cache(maxsize=_MOMENTS_KEPT)(partial(promotions_at, kept))

    def at(self, store_id: str | None, now: datetime) -> Mapping[str, Promotion]:
        """Return what is on offer in a store at a moment, by product; for None, what is everywhere."""
        place = bisect_right(self._changes, now)
        if not place:
            return {}
        # Between two changes nothing changes, and stores without prices of their own are all alike.
        return self._since(store_id if store_id in self._stores else None, self._changes[place - 1])

    def products(self, store_id: str | None, now: datetime, index: Mapping[str, int]) -> Ints:
        """Return the products on offer, ascending."""
        return np.sort(np.array([index[name] for name in self.at(store_id, now) if name in index], np.int64))

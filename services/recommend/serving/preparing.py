"""Owns what of ranking depends on a customer's state and the model alone, kept while both stay as they are.

It lies beside the model that it was prepared by and goes with it. A second list of a page, another store or a later
moment then costs only what depends on these.
"""

from collections import OrderedDict
from collections.abc import Callable, Hashable

from services.recommend.ranking.features import Prepared

KEPT_MAX = 256
"""Each takes some 130 kB."""


class Preparations:
    """The customers ranked most recently, by the version of their state and the kind of list."""

    def __init__(self, kept_max: int = KEPT_MAX) -> None:
        """Start without any."""
        self._kept_max = kept_max
        self._kept: OrderedDict[tuple[int, Hashable], Prepared] = OrderedDict()

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, version: int | None, kind: Hashable, prepare: Callable[[], Prepared]) -> Prepared:
        """Return what was prepared before, else prepare it; without a version it is prepared at every request."""
        if version is None:
            return prepare()
        key = version, kind
        found = self._kept.pop(key, None) or prepare()
        self._kept[key] = found
        if len(self._kept) > self._kept_max:
            self._kept.popitem(last=False)
        return found

"""Owns a customer's past as a request needs it: columns for ranking at once, single products only where asked for.

The same figures as `CustomerState`, at a fifth of the time: a request looks at a handful of products one by one, and
at all of them only in columns.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from services.recommend.domain.facts import MILLIONTHS, Fact
from services.recommend.domain.purchases import OwnProduct, Purchase, days_since_epoch, own_product
from services.recommend.history import History, history_of_lines

KeptBasket = tuple[Fact, Mapping[str, int]]
"""A receipt and what of it was kept, in millionths; never nothing."""


class OwnProducts(Mapping[str, OwnProduct]):
    """What the customer did with each product, worked out when it is asked for."""

    def __init__(self, baskets: Sequence[KeptBasket]) -> None:
        """Take the baskets in order of time."""
        self._baskets = baskets
        self._places: dict[str, list[int]] = {}
        for place, (_, quantities) in enumerate(baskets):
            for product_id in quantities:
                self._places.setdefault(product_id, []).append(place)

    def __getitem__(self, product_id: str) -> OwnProduct:
        return own_product(product_id, [self._purchase(product_id, place) for place in self._places[product_id]])

    def __iter__(self) -> Iterator[str]:
        return iter(self._places)

    def __len__(self) -> int:
        return len(self._places)

    def _purchase(self, product_id: str, place: int) -> Purchase:
        fact, quantities = self._baskets[place]
        quantity = quantities[product_id] / MILLIONTHS
        return Purchase(fact.at, fact.receipt_id, fact.store_id, quantity, len(quantities))


class Past:
    """All that was bought and kept; without baskets, somebody who is not known."""

    def __init__(self, baskets: Sequence[KeptBasket] = ()) -> None:
        """Take each receipt once, in any order."""
        self._baskets = sorted(baskets, key=lambda basket: (basket[0].at, basket[0].receipt_id))
        self.products = OwnProducts(self._baskets)

    @property
    def basket_count(self) -> int:
        return len(self._baskets)

    def history(self, product_index: Mapping[str, int], store_index: Mapping[str, int]) -> History:
        """Return the columns; products without an index are left out."""
        facts = [fact for fact, _ in self._baskets]
        sizes = np.array([len(quantities) for _, quantities in self._baskets], np.int64)
        at = np.array([days_since_epoch(fact.at) for fact in facts], np.float64)
        store = np.array([store_index.get(fact.store_id, -1) for fact in facts], np.int64)
        find = product_index.get
        product = np.array([find(each, -1) for _, bought in self._baskets for each in bought], np.int64)
        known = product >= 0
        ago = np.arange(len(facts))[::-1]
        return history_of_lines(
            product=product[known],
            at=np.repeat(at, sizes)[known],
            ago=np.repeat(ago, sizes)[known],
            size=np.repeat(sizes, sizes)[known],
            store=np.repeat(store, sizes)[known],
            basket_at=at,
            basket_size=sizes,
            basket_store=store,
        )

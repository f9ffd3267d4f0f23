"""Owns a customer's past as a request needs it: columns for ranking at once, single products only where asked for.

A request looks at a handful of products one by one, and at all of them only in columns.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from functools import cached_property

import numpy as np

from services.recommend.domain.purchases import KEPT_PURCHASES, OwnProduct
from services.recommend.history import History, Ints, history_of_lines
from services.recommend.serving.columns import Columns, KeptBasket, columns_of, microseconds, moment
from services.recommend.serving.names import Names

_MICROSECONDS_PER_DAY = 86_400_000_000


class OwnProducts(Mapping[str, OwnProduct]):
    """What the customer did with each product, worked out when it is asked for."""

    def __init__(self, columns: Columns, names: Names) -> None:
        """Take the columns, and what their numbers mean."""
        self._columns = columns
        self._names = names

    def __getitem__(self, product_id: str) -> OwnProduct:
        lines = self._lines(product_id)
        if not lines.size:
            raise KeyError(product_id)
        at_us = self._columns.at_us[self._basket[lines[-KEPT_PURCHASES:]]].tolist()
        days = dict.fromkeys([each // _MICROSECONDS_PER_DAY for each in at_us])
        return OwnProduct(product_id, lines.size, moment(at_us[-1]), tuple(days))

    def __contains__(self, product_id: object) -> bool:
        return isinstance(product_id, str) and self._lines(product_id).size > 0

    def __iter__(self) -> Iterator[str]:
        words = self._names.products.words
        return (words[number] for number in dict.fromkeys(self._columns.product.tolist()))

    def __len__(self) -> int:
        return int(np.unique(self._columns.product).size)

    def younger_than(self, days: float, now: datetime) -> list[str]:
        """Return the products bought less than so many days before `now`."""
        age_days = (microseconds(now) - self._columns.at_us) / _MICROSECONDS_PER_DAY
        numbers = np.unique(self._columns.product[(age_days < days)[self._basket]])
        return [self._names.products.words[number] for number in numbers.tolist()]

    @cached_property
    def _basket(self) -> Ints:
        return np.repeat(np.arange(self._columns.size.size), self._columns.size)

    def _lines(self, product_id: str) -> Ints:
        number = self._names.products.find(product_id)
        return np.flatnonzero(self._columns.product == (-1 if number is None else number))


class Past:
    """All that was bought and kept; without baskets, somebody who is not known.

    `version` stands for it as long as it stays as it is, and for no other; None where nobody keeps count.
    """

    def __init__(
        self,
        kept: Sequence[KeptBasket] = (),
        names: Names | None = None,
        *,
        columns: Columns | None = None,
        version: int | None = None,
    ) -> None:
        """Take each receipt once, in any order; or the columns, by these names, of before."""
        self.version = version
        self._names = names or Names()
        self._columns = columns or columns_of(kept, self._names)
        self.products = OwnProducts(self._columns, self._names)

    @property
    def basket_count(self) -> int:
        return int(self._columns.size.size)

    def history(self, product_index: Mapping[str, int], store_index: Mapping[str, int]) -> History:
        """Return the columns; products without an index are left out. Neither index may ever change."""
        columns = self._columns
        sizes, at = columns.size.astype(np.int64), columns.at_days
        product = self._names.products.indices(product_index)[columns.product]
        store = self._names.stores.indices(store_index)[columns.store]
        known = product >= 0
        basket = np.repeat(np.arange(sizes.size), sizes)[known]
        return history_of_lines(
            product=product[known],
            at=at[basket],
            ago=sizes.size - 1 - basket,
            size=sizes[basket],
            store=store[basket],
            basket_at=at,
            basket_size=sizes,
            basket_store=store,
        )


NOBODY = Past()
"""Somebody who bought nothing."""

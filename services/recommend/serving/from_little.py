"""Owns what fills lists besides the customer's own history: an open session, rules of baskets, offers, types due."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.recommend.domain.due import Outlook
from services.recommend.domain.promotions import Promotion
from services.recommend.domain.purchases import OwnProduct
from services.recommend.domain.reasons import Language, Reason, ReasonCode, on_offer, own_reason
from services.recommend.domain.requests import Context
from services.recommend.generators.promotions import Promotions, Span
from services.recommend.generators.switches import Generator
from services.recommend.generators.vsknn import with_companions
from services.recommend.history import Bools, Floats, History, Ints
from services.recommend.model import Model
from services.recommend.ranking.rankers import ordered
from services.recommend.serving import telling
from services.recommend.serving.outlook import outlooks
from services.recommend.serving.ranked import NOTHING, Ranked, positive, sized
from services.recommend.serving.stand_ins import DueType, due_types, stand_ins

_BY_TYPE = 1e-6
"""Keeps what only a rule of types names behind every rule of products."""


@dataclass(frozen=True)
class Shelves:
    """What no request changes: the model, prices for a time, and each product's type as the model numbers it."""

    model: Model
    promotions: Promotions
    type_keys: Ints
    promoted: Callable[[Span], Ints]
    """The products on offer within a span, in ascending order."""


class FromLittle:
    """The generators of one request that need no history, or only its types; each is asked at most once."""

    def __init__(  # noqa: PLR0913, PLR0917 - the parts of one request
        self, shelves: Shelves, context: Context, history: History, items: Ints, now: float, allowed: Bools
    ) -> None:
        """Take the request's columns; `items` are the indices of the context's products."""
        self._model = shelves.model
        self._shelves = shelves
        self._context = context
        self._history = history
        self._items = items
        self._now = now
        self._allowed = allowed

    def like_sessions(self) -> Ranked:
        """Return what recent baskets like the open session hold besides."""
        if not self._has(Generator.SESSIONS):
            return NOTHING
        return positive(self._model.sessions.scores(self._items, self._size))

    def of_session(self) -> Ranked:
        """Return what goes together with the open session and what baskets like it hold, both in one order."""
        nothing = np.zeros(self._size)
        like = self._model.sessions.scores(self._items, self._size) if self._has(Generator.SESSIONS) else nothing
        has_companions = self._has(Generator.BASKET_ITEMS)
        together = self._model.companions.scores(self._items, self._size) if has_companions else nothing
        return positive(with_companions(like, together))

    def associated(self) -> Ranked:
        """Return products by rules of products, then by rules of their types, for what is bought too rarely."""
        if not self._has(Generator.ASSOCIATIONS):
            return NOTHING
        found = self._model.associations.scores(self._items, self._size)
        keys = self._shelves.type_keys
        wanted = np.unique(keys[self._items])
        types = self._model.type_associations.scores(wanted[wanted >= 0], len(self._model.type_names) + 1)
        return positive(found + _BY_TYPE * types[keys] * self._month)

    def same_kind(self) -> Ranked:
        """Return products of the same type as the items, then of the same category, by popularity."""
        assortment, month = self._model.knowledge.assortment, self._month
        scores = np.zeros(month.size)
        for name, bonus in (("category", 1.0), ("product_type", 2.0)):
            codes = assortment.level(name)
            wanted = codes[self._items]
            scores[np.isin(codes, wanted[wanted >= 0])] = bonus
        found = np.flatnonzero(scores)
        return ordered(found, scores[found] + month[found])

    @cached_property
    def promotions(self) -> Mapping[str, Promotion]:
        """Return what is on offer in the store at this moment, by product."""
        return {} if self._span is None else self._shelves.promotions.within(self._span)

    def promoted(self) -> Ranked:
        """Return products that are cheaper than usual now, those people buy first."""
        return ordered(self.promoted_products, self._month[self.promoted_products])

    def due_types(self) -> Ranked:
        """Return a product for each type that is due and whose usual products are not to be had."""
        return stand_ins(
            self._due,
            self._shelves.type_keys,
            self._model.knowledge.assortment,
            self._history.products,
            self._month,
            self.promoted_products,
            self._allowed,
        )

    def own_reason(self, own: OwnProduct, language: Language, outlook: Outlook | None) -> Reason:
        """Say why an own product is shown: its rhythm, else that it is on offer, else how often it was bought."""
        told = own_reason(own, self._context.now, language, outlook)
        promotion = self.promotions.get(own.product_id)
        return told if told.code is ReasonCode.DUE or promotion is None else on_offer(promotion, language)

    def outlooks(self, products: Ints) -> Mapping[str, Outlook]:
        """Return what is to be expected of own ones among these; empty where the version has learned no rhythms."""
        rhythms = self._model.rhythms.products
        if rhythms is None:
            return {}
        return outlooks(self._history, products, rhythms, self._now, self._model.knowledge.assortment)

    def type_reason(self, product: int, language: Language) -> Reason:
        """Say how regularly the customer buys the type of a product that `due_types` named."""
        key = int(self._shelves.type_keys[product])
        return telling.of_type(self._model.type_names[key], self._due[key], language)

    @cached_property
    def _due(self) -> Mapping[int, DueType]:
        rhythms, history = self._model.rhythms.types, self._history
        if rhythms is None or not history.products.size:
            return {}
        return due_types(history, self._shelves.type_keys[history.product], rhythms, self._now)

    @cached_property
    def promoted_products(self) -> Ints:
        """Return the products that are cheaper than usual now, in ascending order."""
        return np.empty(0, np.int64) if self._span is None else self._shelves.promoted(self._span)

    @cached_property
    def _span(self) -> Span | None:
        if not self._has(Generator.PROMOTIONS):
            return None
        return self._shelves.promotions.span(self._context.store_id, self._context.now)

    @property
    def _month(self) -> Floats:
        return sized(self._model.knowledge.popularity.chain[1], self._size)

    @property
    def _size(self) -> int:
        return len(self._model.knowledge.assortment)

    def _has(self, generator: Generator) -> bool:
        return self._model.knowledge.switches.has(generator)

"""Owns answering a placement from memory: generators, ranking, hard limits, and the chain that fills every list.

A request costs no input or output: the caller reads the customer's rows, everything else is here. Lists are filled
level by level; the last level is the whole assortment, so a list is empty only when no product passes the filters.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from functools import lru_cache, partial

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.domain.reasons import Reason, ReasonCode, own_reason, reason
from services.recommend.domain.requests import Answer, Item, Placement, Request, Source
from services.recommend.generators import own_products
from services.recommend.generators.popular import Popularity
from services.recommend.history import Bools, Floats, History, Ints
from services.recommend.model import Model
from services.recommend.ranking.candidates import DISCOVER_CANDIDATES, NEW_CANDIDATES, best, candidates_of
from services.recommend.ranking.features import prepared
from services.recommend.ranking.rankers import ordered
from services.recommend.ranking.shoppers import Shopper, shopper_of
from services.recommend.serving.eligibility import Shelf
from services.recommend.serving.past import Past

Ranked = tuple[Ints, Floats]
"""Products and their scores, best first."""

PERSONAL_SHARE = 1.0
"""Weight of the customer's own purchase rate beside the companions' score of an open basket."""
_SEARCH_DEPTH = 400
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class _Level:
    source: Source
    ranked: Callable[[], Ranked]


class Recommender:
    """All placements over one model, catalogue and stock; immutable, so that a newer one replaces it whole."""

    def __init__(self, model: Model, out_of_stock: Mapping[str, AbstractSet[str]] | None = None) -> None:
        """Take a model already laid over the current catalogue (`model.with_catalogue`)."""
        self.model = model
        self.knowledge = model.knowledge
        self.shelf = Shelf(model.knowledge.assortment, out_of_stock or {})
        self._size = len(self.assortment)
        # Over a function of its own: a bound method would tie the recommender to itself, and old ones would pile up.
        self.in_store = lru_cache(maxsize=256)(partial(_store_popular, self.knowledge.popularity, self._size))
        self.popular = self._all_by(_sized(self.knowledge.popularity.chain[1], self._size))
        self.trending = self._all_by(self.knowledge.popularity.trending(self._size))

    @property
    def assortment(self) -> Assortment:
        return self.knowledge.assortment

    @property
    def model_version(self) -> str:
        return self.model.version

    def recommend(self, request: Request, past: Past | None = None) -> Answer:
        """Answer one placement; `past` is the customer's, ignored where the request is not to be personalised."""
        visit = _Visit(self, request, past if past is not None and request.personalized else Past())
        allowed = self.shelf.eligible(request)
        allowed[visit.excluded()] = False
        items: list[Item] = []
        depth = 0
        for number, level in enumerate(visit.levels()):
            added = visit.items_from(level, allowed, len(items))
            items += added
            depth = number if added else depth
            if len(items) >= request.limit:
                break
        return Answer(request.placement, tuple(items), depth)

    def _all_by(self, scores: Floats) -> Ranked:
        positive = np.flatnonzero(scores > 0)
        return ordered(positive, scores[positive])


class _Visit:
    """One request being answered: the customer's columns, and every generator asked at most once."""

    def __init__(self, recommender: Recommender, request: Request, past: Past) -> None:
        self._recommender = recommender
        self._request = request
        self._past = past
        knowledge = recommender.knowledge
        self.history = past.history(recommender.assortment.index, knowledge.stores)
        self._now = days_since_epoch(request.context.now)
        self._store = knowledge.stores.get(request.context.store_id or "", -1)
        self._items = recommender.shelf.indices(request.context.items)
        self._personal: Shopper | None = None

    def levels(self) -> Sequence[_Level]:
        """Return the placement's own generators in order, then the chain that every placement ends with."""
        own = {
            Placement.FOR_YOU: (_Level(Source.RANKED, self._mixed), _Level(Source.OWN, self._frequent)),
            Placement.BUY_AGAIN: (_Level(Source.RANKED, self._again), _Level(Source.OWN, self._frequent)),
            Placement.DISCOVER: (_Level(Source.RANKED, self._new), _Level(Source.NEIGHBOURS, self._neighbours)),
            Placement.SIMILAR: (_Level(Source.VECTORS, self._similar), _Level(Source.SAME_KIND, self._same_kind)),
            Placement.BOUGHT_TOGETHER: (
                _Level(Source.COMPANIONS, self._together),
                _Level(Source.VECTORS, self._similar),
            ),
            Placement.BASKET: (_Level(Source.COMPANIONS, self._basket), _Level(Source.OWN, self._frequent)),
            Placement.TRENDING: (_Level(Source.TRENDING, lambda: self._recommender.trending),),
        }[self._request.placement]
        return (*own, *self._common())

    def items_from(self, level: _Level, allowed: Bools, filled: int) -> list[Item]:
        """Take a level's best allowed products up to the limit; what is taken is no longer allowed."""
        products, scores = level.ranked()
        keep = allowed[products]
        room = self._request.limit - filled
        products, scores = products[keep][:room], scores[keep][:room]
        allowed[products] = False
        return [
            self._item(int(product), float(score), level.source, filled + place)
            for place, (product, score) in enumerate(zip(products, scores, strict=True), start=1)
        ]

    def _common(self) -> tuple[_Level, ...]:
        store = self._store if self._store >= 0 else self.history.usual_store
        recommender = self._recommender
        chain = (
            _Level(Source.STORE_POPULAR, lambda: recommender.in_store(store)),
            _Level(Source.POPULAR, lambda: recommender.popular),
            _Level(Source.ASSORTMENT, self._everything),
        )
        return chain if store >= 0 else chain[1:]

    @property
    def _shopper(self) -> Shopper:
        if self._personal is None:
            knowledge = self._recommender.knowledge
            row = knowledge.rows.get(self._request.customer_id or "")
            self._personal = shopper_of(self.history, knowledge, row)
        return self._personal

    def _mixed(self) -> Ranked:
        return self._by_ranker(NEW_CANDIDATES)

    def _again(self) -> Ranked:
        products, scores = self._mixed()
        own = np.isin(products, self.history.products)
        return products[own], scores[own]

    def _new(self) -> Ranked:
        return self._by_ranker(DISCOVER_CANDIDATES)

    def excluded(self) -> Ints:
        """Return what the customer bought too lately to be shown, also of the old products that ranking leaves out.

        What is to be discovered was never bought.
        """
        days, products = self._request.filters.excluded_days, self._past.products
        indices = self._recommender.shelf.indices
        if days is None or self._request.placement is Placement.DISCOVER:
            return indices(tuple(products))
        if not days:
            return np.empty(0, np.int64)
        now = self._request.context.now
        return indices(tuple(name for name, own in products.items() if (now - own.last_at) / _DAY < days))

    def _by_ranker(self, new_limit: int) -> Ranked:
        if not self.history.products.size:
            return _NOTHING
        knowledge, rankers = self._recommender.knowledge, self._recommender.model.rankers
        candidates = candidates_of(self._shopper, knowledge.popularity, new_limit)
        visit = prepared(self._shopper, candidates, knowledge)
        return ordered(candidates, rankers.scores(visit, self._now, self._store))

    def _frequent(self) -> Ranked:
        return ordered(self.history.products, own_products.recent_top(self.history))

    def _neighbours(self) -> Ranked:
        if not self.history.products.size:
            return _NOTHING
        scores = self._shopper.crowd_value
        found = best(scores, _SEARCH_DEPTH, np.ones(scores.size, np.bool_))
        return found, scores[found].astype(np.float64)

    def _similar(self) -> Ranked:
        return self._recommender.model.items.similar(self._items, _SEARCH_DEPTH)

    def _same_kind(self) -> Ranked:
        """Products of the same type, then of the same category, by popularity."""
        recommender = self._recommender
        month = _sized(recommender.knowledge.popularity.chain[1], len(recommender.assortment))
        scores = np.zeros(month.size)
        for name, bonus in (("category", 1.0), ("product_type", 2.0)):
            codes = recommender.assortment.level(name)
            wanted = codes[self._items]
            scores[np.isin(codes, wanted[wanted >= 0])] = bonus
        found = np.flatnonzero(scores)
        return ordered(found, scores[found] + month[found])

    def _together(self) -> Ranked:
        return _positive(self._companion_scores())

    def _basket(self) -> Ranked:
        return _positive(basket_scores(self._companion_scores(), self.history))

    def _companion_scores(self) -> Floats:
        return self._recommender.model.companions.scores(self._items, len(self._recommender.assortment))

    def _everything(self) -> Ranked:
        size = len(self._recommender.assortment)
        return np.arange(size), np.zeros(size)

    def _item(self, product: int, score: float, source: Source, rank: int) -> Item:
        product_id = self._recommender.assortment.products[product].product_id
        return Item(product_id, rank, score, source, self._reason(product_id, source))

    def _reason(self, product_id: str, source: Source) -> Reason:
        language = self._request.language
        named = self._named_item() if source in {Source.COMPANIONS, Source.VECTORS, Source.SAME_KIND} else None
        own = self._past.products.get(product_id)
        if own is not None and self._request.placement not in {Placement.SIMILAR, Placement.TRENDING}:
            return own_reason(own, self._request.context.now, language)
        if named is not None:
            code = ReasonCode.GOES_WITH if source is Source.COMPANIONS else ReasonCode.SIMILAR_TO
            return reason(code, language, product=named)
        return reason(_CODES.get(source, ReasonCode.SIMILAR_CUSTOMERS), language)

    def _named_item(self) -> str | None:
        """Return the name of the latest context item that is known, else its id."""
        if not self._items.size:
            return None
        product = self._recommender.assortment.products[int(self._items[-1])]
        return product.name or product.product_id


def basket_scores(companions: Floats, history: History) -> Floats:
    """Return the companions' scores plus the customer's own rate of buying each product."""
    scores = companions.copy()
    scores[history.products] += PERSONAL_SHARE * own_products.personal_top(history)
    return scores


_NOTHING: Ranked = (np.empty(0, np.int64), np.empty(0))
_CODES = {
    Source.TRENDING: ReasonCode.TRENDING,
    Source.STORE_POPULAR: ReasonCode.POPULAR_IN_STORE,
    Source.POPULAR: ReasonCode.POPULAR,
    Source.ASSORTMENT: ReasonCode.AVAILABLE,
}


def _store_popular(popularity: Popularity, size: int, store: int) -> Ranked:
    shares = popularity.in_store(store, size)
    bought = np.flatnonzero(shares)
    return ordered(bought, shares[bought])


def _positive(scores: Floats) -> Ranked:
    found = np.flatnonzero(scores > 0)
    return ordered(found, scores[found])


def _sized(values: Floats, size: int) -> Floats:
    return np.pad(values, (0, size - values.size)) if values.size < size else values

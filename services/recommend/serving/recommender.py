"""Owns answering a placement from memory: generators, ranking, hard limits, and the chain that fills every list.

A request costs no input or output: the caller reads the customer's rows, everything else is here. Lists are filled
level by level; the last level is the whole assortment, so a list is empty only when no product passes the filters.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property, lru_cache, partial

import numpy as np

from services.recommend.assortment import Assortment, type_keys
from services.recommend.domain.due import Outlook
from services.recommend.domain.promotions import Promotion
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.domain.reasons import Reason, ReasonCode, on_offer, own_reason
from services.recommend.domain.requests import Answer, Item, Placement, Request, Source
from services.recommend.generators import own_products
from services.recommend.generators.popular import Popularity
from services.recommend.generators.promotions import Promotions
from services.recommend.history import Bools, Floats, History, Ints
from services.recommend.model import Model
from services.recommend.ranking.candidates import best, discover_candidates, mixed_candidates
from services.recommend.ranking.features import Shopper, shopper_of
from services.recommend.ranking.rankers import ordered
from services.recommend.serving import telling
from services.recommend.serving.eligibility import Shelf
from services.recommend.serving.outlook import outlooks
from services.recommend.serving.past import Past
from services.recommend.serving.stand_ins import DueType, due_types, stand_ins

Ranked = tuple[Ints, Floats]
"""Products and their scores, best first."""

PERSONAL_SHARE = 1.0
"""Weight of the customer's own purchase rate beside the companions' score of an open basket."""
PROMOTED_CANDIDATES = 20
_SEARCH_DEPTH = 400
_BY_TYPE = 1e-6
"""Keeps what only a rule of types names behind every rule of products."""
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class _Level:
    source: Source
    ranked: Callable[[], Ranked]


class Recommender:
    """All placements over one model, catalogue and stock; immutable, so that a newer one replaces it whole."""

    def __init__(
        self,
        model: Model,
        out_of_stock: Mapping[str, AbstractSet[str]] | None = None,
        promotions: Promotions | None = None,
    ) -> None:
        """Take a model already laid over the current catalogue (`model.with_catalogue`)."""
        self.model = model
        self.knowledge = model.knowledge
        self.shelf = Shelf(model.knowledge.assortment, out_of_stock or {})
        self.promotions = promotions or Promotions()
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

    @cached_property
    def type_keys(self) -> Ints:
        """Return each product's type, as the model's tables of types number them."""
        return type_keys(self.assortment, self.model.type_names)

    def recommend(self, request: Request, past: Past | None = None) -> Answer:
        """Answer one placement; `past` is the customer's, ignored where the request is not to be personalised."""
        visit = _Visit(self, request, past if past is not None and request.personalized else Past())
        allowed = self.shelf.eligible(request)
        allowed[visit.excluded()] = False
        visit.allowed = allowed.copy()
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
        self.allowed: Bools | None = None

    def levels(self) -> Sequence[_Level]:
        """Return the placement's own generators in order, then the chain that every placement ends with."""
        own = {
            Placement.FOR_YOU: (
                _Level(Source.RANKED, self._mixed),
                _Level(Source.OWN, self._frequent),
                *self._of_session(),
                _Level(Source.PROMOTIONS, self._promoted),
            ),
            Placement.BUY_AGAIN: (
                _Level(Source.RANKED, self._again),
                _Level(Source.OWN, self._frequent),
                _Level(Source.DUE_TYPES, self._due_types),
            ),
            Placement.DISCOVER: (
                _Level(Source.RANKED, self._new),
                _Level(Source.NEIGHBOURS, self._neighbours),
                *self._of_session(),
                _Level(Source.PROMOTIONS, self._promoted),
            ),
            Placement.SIMILAR: (_Level(Source.VECTORS, self._similar), _Level(Source.SAME_KIND, self._same_kind)),
            Placement.BOUGHT_TOGETHER: (
                _Level(Source.COMPANIONS, self._together),
                _Level(Source.ASSOCIATIONS, self._associated),
                _Level(Source.VECTORS, self._similar),
            ),
            Placement.BASKET: (
                _Level(Source.COMPANIONS, self._basket),
                _Level(Source.OWN, self._frequent),
                _Level(Source.SESSIONS, self._like_sessions),
            ),
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

    def _of_session(self) -> tuple[_Level, ...]:
        """Return what an open session says of somebody of whom nothing else is known."""
        if self.history.products.size or not self._items.size:
            return ()
        return _Level(Source.COMPANIONS, self._together), _Level(Source.SESSIONS, self._like_sessions)

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
            recommender = self._recommender
            knowledge = recommender.knowledge
            row = knowledge.rows.get(self._request.customer_id or "")
            size = len(recommender.assortment)
            self._personal = shopper_of(self.history, knowledge, row, self._now, size)
        return self._personal

    def _mixed(self) -> Ranked:
        if not self.history.products.size:
            return _NOTHING
        candidates = mixed_candidates(self._shopper, self._recommender.knowledge.popularity)
        return self._by_ranker(self._with_promoted(candidates))

    def _again(self) -> Ranked:
        products, scores = self._mixed()
        own = np.isin(products, self.history.products)
        return products[own], scores[own]

    def _new(self) -> Ranked:
        if not self.history.products.size:
            return _NOTHING
        candidates = discover_candidates(self._shopper, self._recommender.knowledge.popularity)
        return self._by_ranker(self._with_promoted(candidates))

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

    def _by_ranker(self, candidates: Ints) -> Ranked:
        model, knowledge = self._recommender.model, self._recommender.knowledge
        return ordered(candidates, model.rankers.scores(self._shopper, candidates, knowledge, self._store))

    def _frequent(self) -> Ranked:
        return ordered(self.history.products, own_products.recent_top(self.history))

    def _neighbours(self) -> Ranked:
        if not self.history.products.size:
            return _NOTHING
        scores = self._shopper.crowd_value
        found = best(scores, _SEARCH_DEPTH, np.ones(scores.size, np.bool_))
        return found, scores[found]

    def _similar(self) -> Ranked:
        return self._recommender.model.items.similar(self._items, _SEARCH_DEPTH, self.allowed)

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

    def _associated(self) -> Ranked:
        """Products by rules of products, then by rules of their types, which answer for what is bought too rarely."""
        recommender = self._recommender
        size = len(recommender.assortment)
        found = recommender.model.associations.scores(self._items, size)
        keys = recommender.type_keys
        wanted = np.unique(keys[self._items])
        types = recommender.model.type_associations.scores(wanted[wanted >= 0], len(recommender.model.type_names) + 1)
        month = _sized(recommender.knowledge.popularity.chain[1], size)
        return _positive(found + _BY_TYPE * types[keys] * month)

    def _like_sessions(self) -> Ranked:
        return _positive(self._recommender.model.sessions.scores(self._items, len(self._recommender.assortment)))

    @cached_property
    def _promotions(self) -> Mapping[str, Promotion]:
        context = self._request.context
        return self._recommender.promotions.at(context.store_id, context.now)

    @cached_property
    def _promoted_products(self) -> Ints:
        context, recommender = self._request.context, self._recommender
        return recommender.promotions.products(context.store_id, context.now, recommender.assortment.index)

    def _with_promoted(self, candidates: Ints) -> Ints:
        """Add the products on offer that come closest to what like customers buy; the ranker decides."""
        promoted = np.zeros(len(self._recommender.assortment), np.bool_)
        promoted[self._promoted_products] = True
        promoted[candidates] = False
        promoted[self.history.products] = False
        return np.concatenate((candidates, best(self._shopper.crowd_value, PROMOTED_CANDIDATES, promoted)))

    def _promoted(self) -> Ranked:
        """Products that are cheaper than usual now, those people buy first."""
        found = self._promoted_products
        month = _sized(self._recommender.knowledge.popularity.chain[1], len(self._recommender.assortment))
        return ordered(found, month[found])

    def _due_types(self) -> Ranked:
        """Products of the types that are due, the most probable type first: for who misses their usual one."""
        recommender = self._recommender
        size = len(recommender.assortment)
        return stand_ins(
            self._types_due,
            recommender.type_keys,
            recommender.assortment,
            self.history.products,
            _sized(recommender.knowledge.popularity.chain[1], size),
            self._promoted_products,
            np.ones(size, np.bool_) if self.allowed is None else self.allowed,
        )

    @cached_property
    def _types_due(self) -> Mapping[int, DueType]:
        rhythms, history = self._recommender.model.rhythms.types, self.history
        if rhythms is None or not history.products.size:
            return {}
        return due_types(history, self._recommender.type_keys[history.product], rhythms, self._now)

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
        own = self._past.products.get(product_id)
        promotion = self._promotions.get(product_id)
        if own is not None and self._request.placement not in {Placement.SIMILAR, Placement.TRENDING}:
            told = own_reason(own, self._request.context.now, language, self._outlooks.get(product_id))
            return told if told.code is ReasonCode.DUE or promotion is None else on_offer(promotion, language)
        if promotion is not None and self._request.placement in _WITH_OFFERS:
            return on_offer(promotion, language)
        return self._new_reason(product_id, source)

    def _new_reason(self, product_id: str, source: Source) -> Reason:
        """Say why a product that the customer never bought is shown."""
        language, recommender = self._request.language, self._recommender
        product = recommender.assortment.index[product_id]
        if source is Source.DUE_TYPES:
            key = int(recommender.type_keys[product])
            return telling.of_type(recommender.model.type_names[key], self._types_due[key], language)
        if source in telling.BY_ITEM:
            told = telling.with_item(recommender.model, product, self._items, source, language)
            if told is not None:
                return told
        return telling.by_source(source, language)

    @cached_property
    def _outlooks(self) -> Mapping[str, Outlook]:
        """Return what is to be expected of every own product; empty where the version has learned no rhythms."""
        rhythms = self._recommender.model.rhythms.products
        if rhythms is None:
            return {}
        return outlooks(self.history, rhythms, self._now, self._recommender.assortment)


def basket_scores(companions: Floats, history: History) -> Floats:
    """Return the companions' scores plus the customer's own rate of buying each product."""
    scores = companions.copy()
    scores[history.products] += PERSONAL_SHARE * own_products.personal_top(history)
    return scores


_NOTHING: Ranked = (np.empty(0, np.int64), np.empty(0))
_WITH_OFFERS = {Placement.FOR_YOU, Placement.BUY_AGAIN, Placement.DISCOVER}


def _store_popular(popularity: Popularity, size: int, store: int) -> Ranked:
    shares = popularity.in_store(store, size)
    bought = np.flatnonzero(shares)
    return ordered(bought, shares[bought])


def _positive(scores: Floats) -> Ranked:
    found = np.flatnonzero(scores > 0)
    return ordered(found, scores[found])


def _sized(values: Floats, size: int) -> Floats:
    return np.pad(values, (0, size - values.size)) if values.size < size else values

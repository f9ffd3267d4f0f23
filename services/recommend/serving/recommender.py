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

from services.recommend.assortment import Assortment
from services.recommend.domain.due import Outlook
from services.recommend.domain.placements import SUBSTITUTED
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.domain.reasons import Reason, ReasonCode, own_reason, reason
from services.recommend.domain.requests import Answer, Item, Placement, Request, Source
from services.recommend.domain.substitutes import Substitutes, substitutes_of
from services.recommend.generators import own_products
from services.recommend.generators.popular import Popularity
from services.recommend.generators.switches import Generator
from services.recommend.history import Floats, Ints
from services.recommend.model import Model
from services.recommend.ranking.candidates import best, discover_candidates, mixed_candidates
from services.recommend.ranking.features import Shopper, shopper_of
from services.recommend.ranking.in_basket import open_basket
from services.recommend.ranking.rankers import ordered
from services.recommend.serving.eligibility import Shelf
from services.recommend.serving.outlook import outlooks
from services.recommend.serving.past import Past
from services.recommend.serving.policy import NO_POLICY, Policy
from services.recommend.serving.rerank import Pool, Reranked, Reshaping, Shelved, rerank

Ranked = tuple[Ints, Floats]
"""Products and their scores, best first."""

SUBSTITUTES_MAX = 3
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
        if not self.knowledge.switches.has(Generator.TRENDING):
            self.trending = _NOTHING

    @property
    def assortment(self) -> Assortment:
        return self.knowledge.assortment

    @property
    def model_version(self) -> str:
        return self.model.version

    def recommend(
        self,
        request: Request,
        past: Past | None = None,
        policy: Policy = NO_POLICY,
        capped: AbstractSet[str] = frozenset(),
    ) -> Answer:
        """Answer one placement; `past` is the customer's, ignored where the request is not to be personalised.

        `policy` lies over this assortment (`policy.over`); `capped` products step back.
        """
        own = past if past is not None and request.personalized else Past()
        visit = _Visit(self, request, own, policy)
        how = visit.reshaping(capped)
        pool = visit.pool(how.depth(request.limit + request.spare))
        return visit.answer(pool, rerank(pool, request, how, visit.shelved()))

    @cached_property
    def substitutes(self) -> Substitutes:
        """Sizes and price tiers of the products; read when the first one is out of stock."""
        return substitutes_of(self.assortment.products, self.assortment.level("product_type"))

    def _all_by(self, scores: Floats) -> Ranked:
        positive = np.flatnonzero(scores > 0)
        return ordered(positive, scores[positive])


class _Visit:
    """One request being answered: the customer's columns, and every generator asked at most once."""

    def __init__(self, recommender: Recommender, request: Request, past: Past, policy: Policy) -> None:
        self._recommender = recommender
        self._request = request
        self._past = past
        self._policy = policy
        knowledge = recommender.knowledge
        self.history = past.history(recommender.assortment.index, knowledge.stores)
        self._now = days_since_epoch(request.context.now)
        self._store = knowledge.stores.get(request.context.store_id or "", -1)
        self._items = recommender.shelf.indices(request.context.items)
        self._personal: Shopper | None = None
        self._wanted = recommender.shelf.wanted(request)
        self._wanted[self.excluded()] = False
        self.allowed = self._wanted.copy()
        self.allowed[recommender.shelf.missing(request)] = False

    def reshaping(self, capped: AbstractSet[str]) -> Reshaping:
        """Return what is to be done to the list after ranking."""
        request, policy = self._request, self._policy
        explore = policy.of(request.placement).exploration if request.request_id is not None else None
        new = () if explore is None else policy.new_products(request.context.now, explore, self.allowed)
        return Reshaping(
            rules=tuple(policy.applied(request, is_known=self._past.basket_count > 0)),
            diversity=request.diversity,
            capped=self._recommender.shelf.indices(capped),
            explore=explore,
            new=tuple(new),
        )

    def shelved(self) -> Shelved:
        """Return what the shelf answers for this request."""
        recommender, assortment = self._recommender, self._recommender.assortment
        products = assortment.products
        return Shelved(
            allowed=self.allowed,
            why_not=lambda product_id: recommender.shelf.why_not(product_id, self._request),
            product_ids=lambda indices: tuple(products[index].product_id for index in indices.tolist()),
            index=assortment.index,
            types=assortment.level("product_type"),
            vectors=recommender.model.items.vectors,
            spare=self._spare,
        )

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
            Placement.SUBSTITUTES: (
                _Level(Source.SUBSTITUTES, self._in_place_of),
                _Level(Source.VECTORS, self._similar),
                _Level(Source.SAME_KIND, self._same_kind),
            ),
            Placement.TRENDING: (_Level(Source.TRENDING, lambda: self._recommender.trending),),
        }[self._request.placement]
        return (*own, *self._common())

    def pool(self, depth: int) -> Pool:
        """Take each level's allowed products, best first, until there are enough; none is taken twice."""
        open_ = self.allowed.copy()
        parts: list[Ranked] = []
        sources: list[Source] = []
        levels: list[int] = []
        instead: dict[int, int] = {}
        for number, level in enumerate(self.levels()):
            products, scores = level.ranked()
            if level.source is Source.RANKED:
                products, scores, instead = self._with_substitutes(products, scores)
            keep = open_[products]
            room = depth - len(sources)
            products, scores = products[keep][:room], scores[keep][:room]
            open_[products] = False
            parts.append((products, scores))
            sources += [level.source] * products.size
            levels += [number] * products.size
            if len(sources) >= depth:
                break
        found = np.concatenate([products for products, _ in parts])
        named = {product: original for product, original in instead.items() if self.allowed[product]}
        return Pool(found, np.concatenate([scores for _, scores in parts]), tuple(sources), tuple(levels), named)

    def answer(self, pool: Pool, shown: Reranked) -> Answer:
        """Put products into words: where each came from, and why it is shown."""
        place = {product: number for number, product in enumerate(pool.products.tolist())}
        items = [
            self._shown(product, rank, pool, place, shown) for rank, product in enumerate(shown.products, start=1)
        ]
        levels = [pool.levels[place[product]] for product in shown.products if product in place]
        return Answer(self._request.placement, tuple(items), max(levels, default=0), shown.effects)

    def _shown(self, product: int, rank: int, pool: Pool, place: Mapping[int, int], shown: Reranked) -> Item:
        number = place.get(product)
        explored = shown.explored if shown.explored is not None and shown.explored.product == product else None
        source = Source.RULE if number is None else pool.sources[number]
        source = source if explored is None else Source.EXPLORATION
        original = pool.instead.get(product)
        source = source if original is None else Source.SUBSTITUTES
        product_id = self._recommender.assortment.products[product].product_id
        return Item(
            product_id,
            rank,
            0.0 if number is None else float(pool.scores[number]),
            source,
            self._reason(product_id, source, original),
            pinned=product in shown.pinned,
            propensity=None if explored is None else explored.propensity,
        )

    def _with_substitutes(self, ranked: Ints, scores: Floats) -> tuple[Ints, Floats, dict[int, int]]:
        """Give the places of own products that the store is out of to substitutes; name what each stands in for.

        Only among those that the list would show, and only a few: the rest of the list has what there is.
        """
        request, recommender = self._request, self._recommender
        if request.placement not in SUBSTITUTED or not self._policy.of(request.placement).substitutes:
            return ranked, scores, {}
        front = ranked[self._wanted[ranked]][: request.limit]
        missing = front[~self.allowed[front] & np.isin(front, self.history.products)][:SUBSTITUTES_MAX]
        if not missing.size:
            return ranked, scores, {}
        open_ = self.allowed.copy()
        open_[front] = False
        instead: dict[int, int] = {}
        out = ranked.copy()
        for product in missing.tolist():
            found, _ = recommender.substitutes.of(product, recommender.model.items.vectors, open_)
            if found.size:
                chosen = int(found[0])
                open_[chosen] = False
                instead[chosen] = product
                out[out == product] = chosen
        first = np.sort(np.unique(out, return_index=True)[1])
        return out[first], scores[first], instead

    def _spare(self) -> Ints:
        """Return everything that may be shown, the most bought first."""
        everything = np.concatenate((self._recommender.popular[0], np.flatnonzero(self.allowed)))
        _, first = np.unique(everything, return_index=True)
        ordered_once = everything[np.sort(first)]
        return ordered_once[self.allowed[ordered_once]]

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
        return self._by_ranker(mixed_candidates(self._shopper, self._recommender.knowledge.popularity))

    def _again(self) -> Ranked:
        products, scores = self._mixed()
        own = np.isin(products, self.history.products)
        return products[own], scores[own]

    def _new(self) -> Ranked:
        if not self.history.products.size:
            return _NOTHING
        candidates = discover_candidates(self._shopper, self._recommender.knowledge.popularity)
        return self._by_ranker(candidates)

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
        if not self._recommender.knowledge.switches.has(Generator.ITEM_VECTORS):
            return _NOTHING
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
        if not self._recommender.knowledge.switches.has(Generator.BASKET_ITEMS):
            return _NOTHING
        return _positive(self._companion_scores())

    def _basket(self) -> Ranked:
        """Complete the open basket; without one there is nothing to complete, and what is bought most comes first."""
        model, knowledge = self._recommender.model, self._recommender.knowledge
        row = knowledge.rows.get(self._request.customer_id or "")
        if not self._items.size:
            return self._frequent()
        basket = open_basket(self.history, self._items, knowledge, model.companions, row, self._now, self._store)
        return model.in_basket.ranked(basket, knowledge)

    def _companion_scores(self) -> Floats:
        return self._recommender.model.companions.scores(self._items, len(self._recommender.assortment))

    def _everything(self) -> Ranked:
        size = len(self._recommender.assortment)
        return np.arange(size), np.zeros(size)

    def _in_place_of(self) -> Ranked:
        """Return what can stand in for the context's products: the best for the latest of them first."""
        recommender = self._recommender
        best_first: dict[int, float] = {}
        for item in reversed(self._items.tolist()):
            found, scores = recommender.substitutes.of(item, recommender.model.items.vectors, self.allowed)
            for product, score in zip(found[:_SEARCH_DEPTH].tolist(), scores[:_SEARCH_DEPTH].tolist(), strict=True):
                best_first[product] = max(score, best_first.get(product, 0.0))
        products = np.array(list(best_first), np.int64)
        return ordered(products, np.array(list(best_first.values()), np.float64))

    def _reason(self, product_id: str, source: Source, original: int | None = None) -> Reason:
        language = self._request.language
        if original is not None:
            return reason(ReasonCode.SUBSTITUTE_FOR, language, product=self._name_of(original))
        named = self._named_item() if source in _BY_ITEM else None
        own = self._past.products.get(product_id)
        if own is not None and self._request.placement not in _NOT_OF_THE_PERSON:
            return own_reason(own, self._request.context.now, language, self._outlooks.get(product_id))
        if named is not None:
            return reason(_BY_ITEM[source], language, product=named)
        return reason(_CODES.get(source, ReasonCode.SIMILAR_CUSTOMERS), language)

    @cached_property
    def _outlooks(self) -> Mapping[str, Outlook]:
        """Return what is to be expected of every own product; empty where the version has learned no rhythms."""
        rhythms = self._recommender.model.rhythms.products
        if rhythms is None:
            return {}
        return outlooks(self.history, rhythms, self._now, self._recommender.assortment)

    def _name_of(self, index: int) -> str:
        product = self._recommender.assortment.products[index]
        return product.name or product.product_id

    def _named_item(self) -> str | None:
        """Return the name of the latest context item that is known, else its id."""
        if not self._items.size:
            return None
        return self._name_of(int(self._items[-1]))


_NOTHING: Ranked = (np.empty(0, np.int64), np.empty(0))
_CODES = {
    Source.TRENDING: ReasonCode.TRENDING,
    Source.STORE_POPULAR: ReasonCode.POPULAR_IN_STORE,
    Source.POPULAR: ReasonCode.POPULAR,
    Source.ASSORTMENT: ReasonCode.AVAILABLE,
    Source.RULE: ReasonCode.FEATURED,
    Source.EXPLORATION: ReasonCode.NEW_PRODUCT,
}
_BY_ITEM = {
    Source.COMPANIONS: ReasonCode.GOES_WITH,
    Source.VECTORS: ReasonCode.SIMILAR_TO,
    Source.SAME_KIND: ReasonCode.SIMILAR_TO,
    Source.SUBSTITUTES: ReasonCode.SUBSTITUTE_FOR,
}
_NOT_OF_THE_PERSON = {Placement.SIMILAR, Placement.TRENDING, Placement.SUBSTITUTES}


def _store_popular(popularity: Popularity, size: int, store: int) -> Ranked:
    shares = popularity.in_store(store, size)
    bought = np.flatnonzero(shares)
    return ordered(bought, shares[bought])


def _positive(scores: Floats) -> Ranked:
    found = np.flatnonzero(scores > 0)
    return ordered(found, scores[found])


def _sized(values: Floats, size: int) -> Floats:
    return np.pad(values, (0, size - values.size)) if values.size < size else values

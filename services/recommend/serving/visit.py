"""Owns one request being answered: the generators that a placement asks, in order, and the words of its items."""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from services.recommend.domain.due import Outlook
from services.recommend.domain.offers import Coupon
from services.recommend.domain.placements import SUBSTITUTED
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.domain.reasons import Reason, ReasonCode, on_offer, reason
from services.recommend.domain.requests import Answer, Item, Placement, Request, Source
from services.recommend.generators import own_products
from services.recommend.generators.item_vectors import preferred
from services.recommend.generators.switches import Generator
from services.recommend.history import Floats, Ints
from services.recommend.ranking.candidates import (
    DISCOVER_CANDIDATES,
    NEW_CANDIDATES,
    best,
    candidates_of,
    with_promoted,
)
from services.recommend.ranking.features import Prepared, prepared
from services.recommend.ranking.in_basket import open_basket
from services.recommend.ranking.rankers import ordered
from services.recommend.ranking.shoppers import Shopper, shopper_of
from services.recommend.serving import telling
from services.recommend.serving.from_little import FromLittle
from services.recommend.serving.offering import Offering, told
from services.recommend.serving.past import Past
from services.recommend.serving.policy import Policy
from services.recommend.serving.ranked import NOTHING, Ranked, positive
from services.recommend.serving.rerank import Pool, Reranked, Reshaping, Shelved
from services.recommend.serving.standing import Standing
from services.recommend.serving.substituting import chosen_instead, in_place_of

SUBSTITUTES_MAX = 3
_SEARCH_DEPTH = 400


@dataclass(frozen=True)
class _Level:
    source: Source
    ranked: Callable[[], Ranked]


class Visit:
    """One request being answered: the customer's columns, and every generator asked at most once."""

    def __init__(
        self,
        standing: Standing,
        request: Request,
        past: Past,
        policy: Policy,
        coupons: Sequence[Coupon],
    ) -> None:
        self._standing = standing
        self._request = request
        self._past = past
        self._policy = policy
        self._offering = Offering(coupons, request.context.now)
        knowledge = standing.knowledge
        self.history = past.history(standing.assortment.index, knowledge.stores)
        self._now = days_since_epoch(request.context.now)
        self._store = knowledge.stores.get(request.context.store_id or "", -1)
        self._items = standing.shelf.indices(request.context.items)
        self._personal: Shopper | None = None
        self._outlooks: Mapping[str, Outlook] = {}
        self._wanted = standing.shelf.wanted(request)
        self._wanted[self.excluded()] = False
        self.allowed = self._wanted.copy()
        self.allowed[standing.shelf.missing(request)] = False

    def reshaping(self, capped: AbstractSet[str]) -> Reshaping:
        """Return what is to be done to the list after ranking."""
        request, policy = self._request, self._policy
        explore = policy.of(request.placement).exploration if request.request_id is not None else None
        new = () if explore is None else policy.new_products(request.context.now, explore, self.allowed)
        return Reshaping(
            rules=tuple(policy.applied(request, is_known=self._past.basket_count > 0)),
            diversity=request.diversity,
            capped=self._standing.shelf.indices(capped),
            explore=explore,
            new=tuple(new),
        )

    def shelved(self) -> Shelved:
        """Return what the shelf answers for this request."""
        standing, assortment = self._standing, self._standing.assortment
        products = assortment.products
        return Shelved(
            allowed=self.allowed,
            why_not=lambda product_id: standing.shelf.why_not(product_id, self._request),
            product_ids=lambda indices: tuple(products[index].product_id for index in indices.tolist()),
            index=assortment.index,
            types=assortment.level("product_type"),
            vectors=standing.model.items.vectors,
            spare=self._spare,
        )

    def levels(self) -> Sequence[_Level]:
        """Return the placement's own generators in order, then the chain that every placement ends with."""
        own = {
            Placement.FOR_YOU: (
                _Level(Source.RANKED, self._mixed),
                _Level(Source.OWN, self._frequent),
                *self._of_session(),
                _Level(Source.PROMOTIONS, self._little.promoted),
            ),
            Placement.BUY_AGAIN: (
                _Level(Source.RANKED, self._again),
                _Level(Source.OWN, self._frequent),
                _Level(Source.DUE_TYPES, self._little.due_types),
            ),
            Placement.DISCOVER: (
                _Level(Source.RANKED, self._new),
                _Level(Source.NEIGHBOURS, self._neighbours),
                *self._of_session(),
                _Level(Source.PROMOTIONS, self._little.promoted),
            ),
            Placement.SIMILAR: (
                _Level(Source.VECTORS, self._similar),
                _Level(Source.SAME_KIND, self._little.same_kind),
            ),
            Placement.BOUGHT_TOGETHER: (
                _Level(Source.ASSOCIATIONS, self._little.associated),
                _Level(Source.COMPANIONS, self._together),
                _Level(Source.VECTORS, self._similar),
            ),
            Placement.BASKET: (
                *self._of_one_open(),
                _Level(Source.COMPANIONS, self._basket),
                _Level(Source.OWN, self._frequent),
                _Level(Source.SESSIONS, self._little.like_sessions),
            ),
            Placement.SUBSTITUTES: (
                _Level(Source.SUBSTITUTES, self._in_place_of),
                _Level(Source.VECTORS, self._similar),
                _Level(Source.SAME_KIND, self._little.same_kind),
            ),
            Placement.CAMPAIGN: (_Level(Source.COUPON, self._on_offer), _Level(Source.RANKED, self._mixed)),
            Placement.TRENDING: (_Level(Source.TRENDING, lambda: self._standing.trending),),
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
        self._outlooks = self._little.outlooks(np.array(shown.products, np.int64))
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
        product_id = self._standing.assortment.products[product].product_id
        offer = self._offering.of.get(product)
        return Item(
            product_id,
            rank,
            0.0 if number is None else float(pool.scores[number]),
            source,
            self._reason(product_id, source, original) if offer is None else told(offer, self._request.language),
            pinned=product in shown.pinned,
            propensity=None if explored is None else explored.propensity,
            offer=offer,
        )

    def _with_substitutes(self, ranked: Ints, scores: Floats) -> tuple[Ints, Floats, dict[int, int]]:
        """Give the places of own products that the store is out of to substitutes; name what each stands in for.

        Only among those that the list would show, and only a few: the rest of the list has what there is.
        """
        request, standing = self._request, self._standing
        if request.placement not in SUBSTITUTED or not self._policy.of(request.placement).substitutes:
            return ranked, scores, {}
        front = ranked[self._wanted[ranked]][: request.limit]
        missing = front[~self.allowed[front]]
        missing = missing[self.history.holds(missing)][:SUBSTITUTES_MAX]
        if not missing.size:
            return ranked, scores, {}
        open_ = self.allowed.copy()
        open_[front] = False
        instead = chosen_instead(standing.goods.substitutes, standing.model.items.vectors, missing, open_)
        out = ranked.copy()
        for product, original in instead.items():
            out[out == original] = product
        first = np.sort(np.unique(out, return_index=True)[1])
        return out[first], scores[first], instead

    def _spare(self) -> Ints:
        """Return everything that may be shown, the most bought first."""
        everything = self._standing.by_popularity
        return everything[self.allowed[everything]]

    def _of_session(self) -> tuple[_Level, ...]:
        """Return what an open session says of somebody of whom nothing else is known."""
        if self.history.products.size or not self._items.size:
            return ()
        return (_Level(Source.SESSIONS, self._little.of_session),)

    def _of_one_open(self) -> tuple[_Level, ...]:
        """Return what speaks where one open product is all that is known: it finds more than the ranker does."""
        return self._of_session() if self._items.size == 1 else ()

    def _common(self) -> tuple[_Level, ...]:
        store = self._store if self._store >= 0 else self.history.usual_store
        standing = self._standing
        segments = self._segments()
        levels = (
            (store >= 0, _Level(Source.STORE_POPULAR, lambda: standing.in_store(store))),
            (bool(segments), _Level(Source.SEGMENT_POPULAR, lambda: standing.in_segments(segments, store))),
            (True, _Level(Source.POPULAR, lambda: standing.popular)),
            (True, _Level(Source.ASSORTMENT, self._everything)),
        )
        return tuple(level for is_known, level in levels if is_known)

    def _segments(self) -> tuple[str, ...]:
        """Return the segments that may be looked at: those of a customer for whom the list is made."""
        request, switches = self._request, self._standing.knowledge.switches
        is_theirs = request.personalized and request.placement not in _NOT_OF_THE_PERSON
        return request.segments if is_theirs and switches.has(Generator.SEGMENTS) else ()

    @cached_property
    def _little(self) -> FromLittle:
        context, shelves = self._request.context, self._standing.shelves
        return FromLittle(shelves, context, self.history, self._items, self._now, self.allowed)

    @property
    def _shopper(self) -> Shopper:
        if self._personal is None:
            knowledge = self._standing.knowledge
            row = knowledge.rows.get(self._request.customer_id or "")
            self._personal = shopper_of(self.history, knowledge, row)
        return self._personal

    def _mixed(self) -> Ranked:
        return self._by_ranker(NEW_CANDIDATES)

    def _again(self) -> Ranked:
        products, scores = self._mixed()
        own = self.history.holds(products)
        return products[own], scores[own]

    def _new(self) -> Ranked:
        return self._by_ranker(DISCOVER_CANDIDATES)

    def excluded(self) -> Ints:
        """Return what the customer bought too lately to be shown, also of the old products that ranking leaves out.

        What is to be discovered was never bought.
        """
        days, products = self._request.filters.excluded_days, self._past.products
        indices = self._standing.shelf.indices
        if days is None or self._request.placement is Placement.DISCOVER:
            return indices(tuple(products))
        if not days:
            return np.empty(0, np.int64)
        return indices(tuple(products.younger_than(days, self._request.context.now)))

    def _by_ranker(self, new_limit: int) -> Ranked:
        if not self.history.products.size:
            return NOTHING
        kind = new_limit, self._little.promoted_products.tobytes()
        visit = self._standing.preparations.of(self._past.version, kind, lambda: self._prepared(new_limit))
        scores = self._standing.model.rankers.scores(visit, self._now, self._store)
        return ordered(visit.candidates, scores)

    def _prepared(self, new_limit: int) -> Prepared:
        shopper, knowledge = self._shopper, self._standing.knowledge
        candidates = candidates_of(shopper, knowledge.popularity, new_limit)
        return prepared(shopper, with_promoted(candidates, shopper, self._little.promoted_products), knowledge)

    def _frequent(self) -> Ranked:
        return ordered(self.history.products, own_products.recent_top(self.history))

    def _neighbours(self) -> Ranked:
        if not self.history.products.size:
            return NOTHING
        scores = self._shopper.crowd_value
        found = best(scores, _SEARCH_DEPTH, np.ones(scores.size, np.bool_))
        return found, scores[found].astype(np.float64)

    def _similar(self) -> Ranked:
        if not self._standing.knowledge.switches.has(Generator.ITEM_VECTORS):
            return NOTHING
        found, similarity = self._standing.model.items.similar(self._items, _SEARCH_DEPTH, self.allowed)
        return preferred(found, similarity, self._standing.liked)

    def _together(self) -> Ranked:
        if not self._standing.knowledge.switches.has(Generator.BASKET_ITEMS):
            return NOTHING
        return positive(self._companion_scores())

    def _basket(self) -> Ranked:
        """Complete the open basket; without one there is nothing to complete, and what is bought most comes first."""
        model, knowledge = self._standing.model, self._standing.knowledge
        row = knowledge.rows.get(self._request.customer_id or "")
        if not self._items.size:
            return self._frequent()
        basket = open_basket(self.history, self._items, knowledge, model.companions, row, self._now, self._store)
        return model.in_basket.ranked(basket, knowledge)

    def _companion_scores(self) -> Floats:
        return self._standing.model.companions.scores(self._items, len(self._standing.assortment))

    def _everything(self) -> Ranked:
        size = len(self._standing.assortment)
        return np.arange(size), np.zeros(size)

    def _in_place_of(self) -> Ranked:
        standing = self._standing
        vectors = standing.model.items.vectors
        return in_place_of(standing.goods.substitutes, vectors, self._items, self.allowed, _SEARCH_DEPTH)

    def _on_offer(self) -> Ranked:
        standing = self._standing
        return self._offering.ranked(standing.knowledge, standing.goods.names, self.history, self.allowed)

    def _reason(self, product_id: str, source: Source, original: int | None = None) -> Reason:
        language = self._request.language
        if original is not None:
            return reason(ReasonCode.SUBSTITUTE_FOR, language, product=self._name_of(original))
        little, own = self._little, self._past.products.get(product_id)
        if own is not None and self._request.placement not in _NOT_OF_THE_PERSON:
            return little.own_reason(own, language, self._outlooks.get(product_id))
        if self._request.placement in _WITH_OFFERS and product_id in little.promotions:
            return on_offer(little.promotions[product_id], language)
        return self._new_reason(product_id, source)

    def _new_reason(self, product_id: str, source: Source) -> Reason:
        """Say why a product that the customer never bought is shown."""
        language, standing = self._request.language, self._standing
        product = standing.assortment.index[product_id]
        if source is Source.DUE_TYPES:
            return self._little.type_reason(product, language)
        return telling.of_new(standing.model, product, self._items, source, language)

    def _name_of(self, index: int) -> str:
        product = self._standing.assortment.products[index]
        return product.name or product.product_id


_NOT_OF_THE_PERSON = {Placement.SIMILAR, Placement.TRENDING, Placement.SUBSTITUTES}
_WITH_OFFERS = {Placement.FOR_YOU, Placement.BUY_AGAIN, Placement.DISCOVER}

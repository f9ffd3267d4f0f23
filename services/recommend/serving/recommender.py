"""Owns answering a placement from memory: generators, ranking, hard limits, and the chain that fills every list.

A request costs no input or output: the caller reads the customer's rows, everything else is here. Lists are filled
level by level; the last level is the whole assortment, so a list is empty only when no product passes the filters.
"""

from collections.abc import Callable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from functools import cached_property, lru_cache, partial

import numpy as np

from services.recommend.assortment import Assortment, type_keys
from services.recommend.domain.offers import (
    Coupon,
    PersonalOffer,
    best_offer,
    chances_of_buying,
    expected_saving,
    spread_over_coupons,
)
from services.recommend.domain.placements import SUBSTITUTED
from services.recommend.domain.purchases import days_since_epoch
from services.recommend.domain.reasons import Reason, ReasonCode, on_offer, reason
from services.recommend.domain.requests import MAX_LIMIT, Answer, Item, Placement, Request, Source
from services.recommend.domain.rules import Selector
from services.recommend.domain.substitutes import Substitutes, substitutes_of
from services.recommend.generators import own_products
from services.recommend.generators.promotions import Promotions
from services.recommend.generators.switches import Generator
from services.recommend.history import Floats, Ints
from services.recommend.model import Model
from services.recommend.ranking.candidates import DISCOVER_CANDIDATES, NEW_CANDIDATES, best, candidates_of
from services.recommend.ranking.features import Prepared, prepared
from services.recommend.ranking.in_basket import open_basket
from services.recommend.ranking.rankers import ordered
from services.recommend.ranking.shoppers import Shopper, shopper_of
from services.recommend.serving import telling
from services.recommend.serving.eligibility import Shelf
from services.recommend.serving.from_little import FromLittle, Shelves
from services.recommend.serving.past import NOBODY, Past
from services.recommend.serving.policy import NO_POLICY, Policy
from services.recommend.serving.preparing import Preparations
from services.recommend.serving.ranked import NOTHING, Ranked, positive, sized, store_popular
from services.recommend.serving.rerank import Pool, Reranked, Reshaping, Shelved, rerank
from services.recommend.serving.selecting import ProductNames
from services.recommend.serving.substituting import chosen_instead, in_place_of
from shared.money import major_text

SUBSTITUTES_MAX = 3
_SEARCH_DEPTH = 400


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
        self.preparations = Preparations()
        self._promotions = promotions or Promotions()
        self._size = len(self.assortment)
        # Over a function of its own: a bound method would tie the recommender to itself, and old ones would pile up.
        self.in_store = lru_cache(maxsize=256)(partial(store_popular, self.knowledge.popularity, self._size))
        self.popular = self._all_by(sized(self.knowledge.popularity.lately, self._size))
        self.trending = self._all_by(self.knowledge.popularity.trending(self._size))
        if not self.knowledge.switches.has(Generator.TRENDING):
            self.trending = NOTHING

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
        coupons: Sequence[Coupon] = (),
    ) -> Answer:
        """Answer one placement; `past` and `coupons` are the customer's, ignored where not to be personalised.

        `policy` lies over this assortment (`policy.over`); `capped` products step back.
        """
        own = past if past is not None and request.personalized else NOBODY
        visit = _Visit(self, request, own, policy, coupons if request.personalized else ())
        how = visit.reshaping(capped)
        pool = visit.pool(how.depth(request.limit + request.spare))
        return visit.answer(pool, rerank(pool, request, how, visit.shelved()))

    @cached_property
    def shelves(self) -> Shelves:
        """What lists are filled from besides history; types are numbered when the first list asks."""
        return Shelves(self.model, self._promotions, type_keys(self.assortment, self.model.type_names))

    @cached_property
    def by_popularity(self) -> Ints:
        """Every product, the most bought first; what nobody bought keeps the assortment's order."""
        bought = self.popular[0]
        return np.concatenate((bought, np.setdiff1d(np.arange(self._size), bought)))

    @cached_property
    def names(self) -> ProductNames:
        """The products by their names; read when the first coupon asks."""
        return ProductNames(self.assortment)

    @cached_property
    def substitutes(self) -> Substitutes:
        """Sizes and price tiers of the products; read when the first one is out of stock."""
        return substitutes_of(self.assortment.products, self.assortment.level("product_type"))

    def _all_by(self, scores: Floats) -> Ranked:
        positive = np.flatnonzero(scores > 0)
        return ordered(positive, scores[positive])


class _Visit:
    """One request being answered: the customer's columns, and every generator asked at most once."""

    def __init__(
        self,
        recommender: Recommender,
        request: Request,
        past: Past,
        policy: Policy,
        coupons: Sequence[Coupon],
    ) -> None:
        self._recommender = recommender
        self._request = request
        self._past = past
        self._policy = policy
        self._coupons = [coupon for coupon in coupons if coupon.works_at(request.context.now)]
        self._offers: dict[int, PersonalOffer] = {}
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
                _Level(Source.COMPANIONS, self._together),
                _Level(Source.ASSOCIATIONS, self._little.associated),
                _Level(Source.VECTORS, self._similar),
            ),
            Placement.BASKET: (
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
        offer = self._offers.get(product)
        return Item(
            product_id,
            rank,
            0.0 if number is None else float(pool.scores[number]),
            source,
            self._reason(product_id, source, original) if offer is None else self._offered(offer),
            pinned=product in shown.pinned,
            propensity=None if explored is None else explored.propensity,
            offer=offer,
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
        instead = chosen_instead(recommender.substitutes, recommender.model.items.vectors, missing, open_)
        out = ranked.copy()
        for product, original in instead.items():
            out[out == original] = product
        first = np.sort(np.unique(out, return_index=True)[1])
        return out[first], scores[first], instead

    def _spare(self) -> Ints:
        """Return everything that may be shown, the most bought first."""
        everything = self._recommender.by_popularity
        return everything[self.allowed[everything]]

    def _of_session(self) -> tuple[_Level, ...]:
        """Return what an open session says of somebody of whom nothing else is known."""
        if self.history.products.size or not self._items.size:
            return ()
        return _Level(Source.COMPANIONS, self._together), _Level(Source.SESSIONS, self._little.like_sessions)

    def _common(self) -> tuple[_Level, ...]:
        store = self._store if self._store >= 0 else self.history.usual_store
        recommender = self._recommender
        chain = (
            _Level(Source.STORE_POPULAR, lambda: recommender.in_store(store)),
            _Level(Source.POPULAR, lambda: recommender.popular),
            _Level(Source.ASSORTMENT, self._everything),
        )
        return chain if store >= 0 else chain[1:]

    @cached_property
    def _little(self) -> FromLittle:
        context, shelves = self._request.context, self._recommender.shelves
        return FromLittle(shelves, context, self.history, self._items, self._now, self.allowed)

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
        return indices(tuple(products.younger_than(days, self._request.context.now)))

    def _by_ranker(self, new_limit: int) -> Ranked:
        if not self.history.products.size:
            return NOTHING
        kind = new_limit, self._little.promoted_products.tobytes()
        visit = self._recommender.preparations.of(self._past.version, kind, lambda: self._prepared(new_limit))
        scores = self._recommender.model.rankers.scores(visit, self._now, self._store)
        return ordered(visit.candidates, scores)

    def _prepared(self, new_limit: int) -> Prepared:
        shopper, knowledge = self._shopper, self._recommender.knowledge
        candidates = candidates_of(shopper, knowledge.popularity, new_limit)
        return prepared(shopper, self._little.with_promoted(candidates, shopper), knowledge)

    def _frequent(self) -> Ranked:
        return ordered(self.history.products, own_products.recent_top(self.history))

    def _neighbours(self) -> Ranked:
        if not self.history.products.size:
            return NOTHING
        scores = self._shopper.crowd_value
        found = best(scores, _SEARCH_DEPTH, np.ones(scores.size, np.bool_))
        return found, scores[found].astype(np.float64)

    def _similar(self) -> Ranked:
        if not self._recommender.knowledge.switches.has(Generator.ITEM_VECTORS):
            return NOTHING
        return self._recommender.model.items.similar(self._items, _SEARCH_DEPTH, self.allowed)

    def _together(self) -> Ranked:
        if not self._recommender.knowledge.switches.has(Generator.BASKET_ITEMS):
            return NOTHING
        return positive(self._companion_scores())

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
        recommender = self._recommender
        vectors = recommender.model.items.vectors
        return in_place_of(recommender.substitutes, vectors, self._items, self.allowed, _SEARCH_DEPTH)

    def _on_offer(self) -> Ranked:
        """Return what the person's own coupons are for: what saves them the most in expectation, coupon by coupon."""
        if not self._coupons:
            return NOTHING
        chance = self._chances()
        products, now = self._recommender.assortment.products, self._request.context.now
        for coupon in self._coupons:
            for number in self._likeliest_for(coupon, chance):
                found = best_offer(self._coupons, products[number], now)
                if found is not None:
                    self._offers[number] = found
        saving = {number: expected_saving(offer, float(chance[number])) for number, offer in self._offers.items()}
        ranked = sorted(saving, key=lambda number: (-saving[number], number))
        spread = spread_over_coupons([(number, self._offers[number].coupon_id) for number in ranked])
        return np.array(spread, np.int64), np.array([saving[number] for number in spread], np.float64)

    def _chances(self) -> Floats:
        """Return how likely each product is in the next basket."""
        share = sized(self._recommender.knowledge.popularity.chain[1], len(self._recommender.assortment))
        count = np.zeros(share.size)
        count[self.history.products] = self.history.count
        return chances_of_buying(count, float(self.history.basket_count), share)

    def _likeliest_for(self, coupon: Coupon, chance: Floats) -> list[int]:
        """Return the allowed products of a coupon that are bought the likeliest, as many as a list may hold."""
        names = self._recommender.names
        mask = self.allowed
        if coupon.product_ids or coupon.categories:
            mask = np.zeros(chance.size, np.bool_)
            for part in (Selector(product_ids=coupon.product_ids), Selector(categories=coupon.categories)):
                if not part.is_empty:
                    mask |= names.mask(part)
            mask &= self.allowed
        found = np.flatnonzero(mask & ~np.isnan(self._recommender.assortment.price_minor))
        kept: list[int] = found[np.argsort(-chance[found], kind="stable")][:MAX_LIMIT].tolist()
        return kept

    def _reason(self, product_id: str, source: Source, original: int | None = None) -> Reason:
        language = self._request.language
        if original is not None:
            return reason(ReasonCode.SUBSTITUTE_FOR, language, product=self._name_of(original))
        little, own = self._little, self._past.products.get(product_id)
        if own is not None and self._request.placement not in _NOT_OF_THE_PERSON:
            return little.own_reason(own, language)
        if self._request.placement in _WITH_OFFERS and product_id in little.promotions:
            return on_offer(little.promotions[product_id], language)
        return self._new_reason(product_id, source)

    def _new_reason(self, product_id: str, source: Source) -> Reason:
        """Say why a product that the customer never bought is shown."""
        language, recommender = self._request.language, self._recommender
        product = recommender.assortment.index[product_id]
        if source is Source.DUE_TYPES:
            return self._little.type_reason(product, language)
        return telling.of_new(recommender.model, product, self._items, source, language)

    def _offered(self, offer: PersonalOffer) -> Reason:
        saving = f"{major_text(offer.discount_minor, offer.currency)} {offer.currency}"
        return reason(ReasonCode.COUPON, self._request.language, saving=saving)

    def _name_of(self, index: int) -> str:
        product = self._recommender.assortment.products[index]
        return product.name or product.product_id


_NOT_OF_THE_PERSON = {Placement.SIMILAR, Placement.TRENDING, Placement.SUBSTITUTES}
_WITH_OFFERS = {Placement.FOR_YOU, Placement.BUY_AGAIN, Placement.DISCOVER}

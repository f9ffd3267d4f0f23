"""Owns completing an open basket: its candidates and their features, the same in training, evaluation and serving.

A row describes one product that is not in the basket yet, for one customer at one moment. The customer may be
nobody (an empty history): what goes together and what is popular then speak alone.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.recommend.assortment import LEVELS
from services.recommend.domain.purchases import KEPT_BASKETS
from services.recommend.generators import own_products, sized
from services.recommend.generators.basket_items import Companions, Links
from services.recommend.generators.neighbours import dense
from services.recommend.generators.switches import EVERYTHING, Generator, Switches
from services.recommend.history import Bools, Floats, History, Ints, Matrix
from services.recommend.knowledge import Knowledge
from services.recommend.ranking.candidates import best
from services.recommend.ranking.ranker import Ranker
from services.recommend.ranking.rankers import ordered

TOGETHER_CANDIDATES = 100
OWN_CANDIDATES = 60
CROWD_CANDIDATES = 30
POPULAR_CANDIDATES = 20
TRIP_FADE = 0.99
NEVER = 1000.0
_LEVELS = ("product_type", "category", "brand", "department")
_SCORES = ("together", "own_value", "crowd_value", "same_trips", "like_trips")
_POPULARITY = ("pop_7", "pop_28", "pop_84", "pop_usual_store")
_HABITS = ("buyers", "repeat_rate", "per_buyer", "gap_days")
_OWN = ("count_share", "ago_baskets", "ago_days", "gap_days", "due_days", "fade")
_BASKET = ("size", "size_ratio", "own_share", "baskets", "mean_size", "price_ratio")
_STORE = ("pop", "lift", "own_share", "bought")
BASKET_FEATURE_NAMES = (
    *(f"score.{name}{kind}" for name in _SCORES for kind in ("", ".rank", ".share")),
    "link.strongest",
    "link.count",
    "link.mean",
    *(f"own.{name}" for name in _OWN),
    *(f"{level}.{name}" for level in _LEVELS for name in ("in_basket", "own_rate", "product_share")),
    *(f"product.{name}" for name in (*_POPULARITY, *_HABITS)),
    *(f"basket.{name}" for name in _BASKET),
    *(f"store.{name}" for name in _STORE),
)


_FIELDS = {
    Generator.OWN_PRODUCTS: ("own_value",),
    Generator.OWN_TRIPS: ("same_trips", "like_trips"),
    Generator.USER_CF: ("crowd_value",),
}


@dataclass(frozen=True, slots=True)
class OpenBasket:
    """What lies in a customer's basket, and every generator's score for every product."""

    history: History
    items: Ints
    now: float
    store: int
    links: Links
    own_value: Floats
    crowd_value: Floats
    same_trips: Floats
    like_trips: Floats
    switches: Switches = EVERYTHING

    @property
    def together(self) -> Floats:
        return self.links.together

    @property
    def formula(self) -> Floats:
        """What ranks without training: companions plus the customer's own rate of buying each product."""
        scores = self.links.together.copy()
        if self.switches.has(Generator.OWN_PRODUCTS):
            scores[self.history.products] += own_products.personal_top(self.history)
        return scores

    def without(self, switches: Switches) -> "OpenBasket":
        """Return the basket with what is switched off at zero; popular products that are off are no candidates."""
        nothing = np.zeros(self.own_value.size)
        silent: dict[str, Any] = {
            field: nothing for generator, fields in _FIELDS.items() for field in fields if not switches.has(generator)
        }
        if not switches.has(Generator.BASKET_ITEMS):
            silent["links"] = Links(nothing, nothing, nothing)
        return replace(self, switches=switches, **silent)

    def without_store(self) -> "OpenBasket":
        return replace(self, store=-1)


@dataclass(frozen=True, slots=True)
class BasketRanker:
    """Orders what may complete a basket: by the trained ranker, or by the formula where none is."""

    ranker: Ranker | None = None

    def ranked(self, basket: OpenBasket, knowledge: Knowledge) -> tuple[Ints, Floats]:
        """Return candidates and scores, best first; ties keep the candidates' order."""
        candidates = basket_candidates(basket, knowledge)
        if self.ranker is None:
            return ordered(candidates, basket.formula[candidates])
        return ordered(candidates, self.ranker.score(basket_features(basket, candidates, knowledge)))


def open_basket(  # noqa: PLR0913, PLR0917 - the parts of one moment
    history: History,
    items: Ints,
    knowledge: Knowledge,
    companions: Companions,
    own_row: int | None,
    now: float,
    store: int,
) -> OpenBasket:
    """Run the generators for products already in the basket; `store` is -1 when unknown."""
    size = len(knowledge.assortment)
    own = sized.vector_of(history)
    types = knowledge.assortment.level("product_type")
    in_basket = np.zeros(size, np.bool_)
    in_basket[items] = True
    # One place more, for products without a type: they are like none but themselves.
    of_type = np.zeros(int(types.max(initial=-1)) + 2, np.bool_)
    of_type[types[items] + 1] = True
    of_type[0] = False
    like = of_type[types[history.product] + 1] | in_basket[history.product]
    whole = OpenBasket(
        history=history,
        items=items,
        now=now,
        store=store,
        links=companions.links(items, size),
        own_value=dense(own, size).astype(np.float64),
        crowd_value=sized.crowd_scores(knowledge.sized, own, own_row, size).astype(np.float64),
        same_trips=_trips(history, in_basket[history.product], size),
        like_trips=_trips(history, like, size),
    )
    return whole.without(knowledge.switches) if knowledge.switches.off else whole


def basket_candidates(basket: OpenBasket, knowledge: Knowledge) -> Ints:
    """Return the best of each generator that are not in the basket, each once."""
    size = basket.own_value.size
    allowed = np.ones(size, np.bool_)
    allowed[basket.items] = False
    month = np.zeros(size)
    if basket.switches.has(Generator.POPULAR):
        month[: knowledge.popularity.product_count] = knowledge.popularity.chain[1]
        month += knowledge.popularity.in_store(basket.store, size)
    pools = (
        best(basket.formula, TOGETHER_CANDIDATES, allowed),
        best(basket.own_value + basket.same_trips, OWN_CANDIDATES, allowed),
        best(basket.crowd_value, CROWD_CANDIDATES, allowed),
        best(month, POPULAR_CANDIDATES, allowed),
    )
    merged = np.concatenate(pools)
    _, first = np.unique(merged, return_index=True)
    return merged[np.sort(first)]


def basket_features(basket: OpenBasket, candidates: Ints, knowledge: Knowledge) -> Matrix:
    """Return a float32 row of BASKET_FEATURE_NAMES for each candidate; the store's are NaN where it is not known."""
    columns = [
        *_score_columns(basket, candidates),
        *_link_columns(basket, candidates),
        *_own_columns(basket, candidates),
        *_level_columns(basket, candidates, knowledge),
        *_product_columns(basket, candidates, knowledge),
        *_basket_columns(basket, candidates, knowledge),
        *_store_columns(basket, candidates, knowledge),
    ]
    return np.stack(columns, axis=1).astype(np.float32)


def _trips(history: History, alike: Bools, size: int) -> Floats:
    """Return how much of the customer's earlier baskets like this one held each product (0..1).

    A basket counts by the products it shares, over the root of its size, and fades with the baskets since.
    """
    if not alike.any():
        return np.zeros(size)
    shared = np.bincount(history.ago[alike], minlength=KEPT_BASKETS + 1)
    lines = np.bincount(history.ago, minlength=KEPT_BASKETS + 1)
    weight = shared / np.sqrt(np.maximum(lines, 1)) * TRIP_FADE ** np.arange(KEPT_BASKETS + 1)
    # Older baskets than those kept share one number: they are not one basket.
    weight[KEPT_BASKETS] = 0.0
    found = np.bincount(history.product, weight[history.ago], minlength=size)
    return np.asarray(found / max(float(weight.sum()), 1e-12), np.float64)


def _score_columns(basket: OpenBasket, candidates: Ints) -> list[Floats]:
    columns = []
    for name in _SCORES:
        score = getattr(basket, name)[candidates]
        rank = np.empty(score.size)
        rank[np.argsort(-score, kind="stable")] = np.arange(score.size)
        columns += [score, rank, score / max(float(score.max(initial=0.0)), 1e-12)]
    return columns


def _link_columns(basket: OpenBasket, candidates: Ints) -> list[Floats]:
    links = basket.links
    return [
        links.strongest[candidates],
        links.count[candidates],
        links.together[candidates] / max(basket.items.size, 1),
    ]


def _own_columns(basket: OpenBasket, candidates: Ints) -> list[Floats]:
    history, size = basket.history, basket.own_value.size
    columns = []
    for values, never in (
        (own_products.personal_top(history), 0.0),
        (history.last_ago, NEVER),
        (basket.now - history.last_at, NEVER),
        (own_products.usual_gap_days(history), 0.0),
        (own_products.due_ratio(history, basket.now), 0.0),
        (own_products.recent_top(history), 0.0),
    ):
        whole = np.full(size, never)
        whole[history.products] = values
        columns.append(whole[candidates])
    return columns


def _level_columns(basket: OpenBasket, candidates: Ints, knowledge: Knowledge) -> list[Floats]:
    columns: list[Floats] = []
    history = basket.history
    for name in _LEVELS:
        codes = knowledge.assortment.levels[LEVELS.index(name)] + 1
        kinds = int(codes.max(initial=0)) + 1
        mine = codes[candidates]
        in_basket = np.bincount(codes[basket.items], minlength=kinds)[mine] * (mine > 0)
        value = np.bincount(codes[history.products], basket.own_value[history.products], minlength=kinds)[mine]
        columns += [
            in_basket / max(basket.items.size, 1),
            value * (mine > 0),
            basket.own_value[candidates] / np.maximum(value, 1e-12),
        ]
    return columns


def _product_columns(basket: OpenBasket, candidates: Ints, knowledge: Knowledge) -> list[Floats]:
    size, habits, popularity = basket.own_value.size, knowledge.habits, knowledge.popularity
    learned = (
        *popularity.chain,
        popularity.in_store(basket.history.usual_store, size),
        habits.buyers,
        habits.repeat_rate,
        habits.purchases_per_buyer,
        habits.usual_gap_days,
    )
    return [_padded(values, size)[candidates] for values in learned]


def _basket_columns(basket: OpenBasket, candidates: Ints, knowledge: Knowledge) -> list[Floats]:
    history, prices = basket.history, knowledge.assortment.price_minor
    mean_size = float(history.basket_size.mean()) if history.basket_size.size else 0.0
    own = float((basket.own_value[basket.items] > 0).mean()) if basket.items.size else 0.0
    paid = prices[basket.items]
    usual = float(np.nanmean(paid)) if np.isfinite(paid).any() else np.nan
    of_basket = (
        basket.items.size,
        basket.items.size / max(mean_size, 1.0),
        own,
        history.basket_count,
        mean_size,
    )
    return [*(np.full(candidates.size, value, np.float64) for value in of_basket), prices[candidates] / usual]


def _store_columns(basket: OpenBasket, candidates: Ints, knowledge: Knowledge) -> list[Floats]:
    if basket.store < 0:
        return [np.full(candidates.size, np.nan)] * len(_STORE)
    history, size = basket.history, basket.own_value.size
    here = np.bincount(history.product, history.store == basket.store, minlength=size)[candidates].astype(np.float64)
    kept = np.bincount(history.product, minlength=size)[candidates]
    in_store = knowledge.popularity.in_store(basket.store, size)[candidates]
    chain = _padded(knowledge.popularity.chain[2], size)[candidates]
    return [in_store, in_store / np.maximum(chain, 1e-7), here / np.maximum(kept, 1), here]


def _padded(values: Floats, size: int) -> Floats:
    """Products that came after the learning have no figures yet."""
    return values if values.size >= size else np.pad(values, (0, size - values.size))

"""Owns the protocol `completion`: one product of an open basket is hidden and has to be found."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import Values, figures
from regulars.evaluation.recommend.baselines import over_popularity
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.lists import LIST_LENGTH, OURS, STORE_KNOWN, Asked, Lists
from regulars.evaluation.recommend.next_basket import NobodyToAskError, temporal_cut
from services.recommend.history import Bools, Floats, Ints
from services.recommend.knowledge import Knowledge
from services.recommend.ranking.in_basket import BasketRanker, OpenBasket
from services.recommend.training.fitting import baskets_before
from services.recommend.training.in_basket import Hidden, World, fit_in_basket, hidden_products, world_at
from services.recommend.training.origins import HORIZON_DAYS

COMPLETION_BASKETS = 3000
COMPLETION_PRODUCTS = 6000


def completion(data: Evaluated, progress: Progress, cut: float | None = None) -> Lists:
    """Hide a product of baskets in the four weeks after `cut` (by default the last ones of the data)."""
    dataset = data.dataset
    cut = temporal_cut(dataset) if cut is None else cut
    progress("learning what was hidden from the baskets of the four weeks before")
    before = world_at(dataset, data.assortment, cut - HORIZON_DAYS, ease_products=COMPLETION_PRODUCTS)
    judged = fit_in_basket(before)
    progress("learning what goes together")
    world = world_at(dataset, data.assortment, cut, ease_products=COMPLETION_PRODUCTS)
    counts = np.asarray(baskets_before(dataset, cut).sum(axis=0)).ravel()
    methods = _Methods(
        world.knowledge,
        BasketRanker(judged.kept if judged else None),
        _head(counts),
        bool((dataset.store >= 0).any()),
    )
    hidden = hidden_products(dataset, cut, methods.head, COMPLETION_BASKETS)
    if not hidden:
        raise NobodyToAskError("no basket of three products or more came after the cut")
    progress(f"completing {len(hidden):,} baskets")
    return _completed(world, methods, hidden)


def _completed(world: World, methods: "_Methods", hidden: list[Hidden]) -> Lists:
    rows: dict[str, list[Values]] = {}
    asked = []
    for each, basket in world.opened(hidden, world.stores(hidden)):
        target, owned = np.array([each.product]), basket.history.products
        ranked = methods.lists(basket)
        for name, products in ranked.items():
            rows.setdefault(name, []).append(figures(products, target, owned))
        customer, before = each.target.customer, basket.history.basket_count
        asked.append(Asked(customer, before, target, owned, ranked[OURS]))
    notes = ["the customer's own history is known up to the basket; everything else only up to the cut"]
    found = {name: np.array(values) for name, values in rows.items()}
    return Lists(found, asked, np.asarray(methods.knowledge.popularity.chain[1], np.float64), notes)


@dataclass(frozen=True)
class _Methods:
    """Ours and the baselines, each giving LIST_LENGTH products of the head that are not in the basket."""

    knowledge: Knowledge
    ranker: BasketRanker
    head: Bools
    has_stores: bool

    def lists(self, basket: OpenBasket) -> Mapping[str, Ints]:
        month = np.asarray(self.knowledge.popularity.chain[1], np.float64)
        others = {
            "popularity": month,
            "personal_top": over_popularity(basket.history, month),
            "basket_items": basket.together,
            "formula": basket.formula,
        }
        ours = {OURS: self._ranked(basket.without_store())}
        return {
            **ours,
            **({STORE_KNOWN: self._ranked(basket)} if self.has_stores else {}),
            **{name: self._best(scores, basket.items) for name, scores in others.items()},
        }

    def _ranked(self, basket: OpenBasket) -> Ints:
        products, _ = self.ranker.ranked(basket, self.knowledge)
        return products[self.head[products]][:LIST_LENGTH]

    def _best(self, scores: Floats, items: Ints) -> Ints:
        open_products = np.flatnonzero(self.head & ~np.isin(np.arange(self.head.size), items))
        return open_products[np.argsort(-scores[open_products], kind="stable")][:LIST_LENGTH]


def _head(counts: Floats) -> Bools:
    head = np.zeros(counts.size, np.bool_)
    head[np.argsort(-counts, kind="stable")[:COMPLETION_PRODUCTS]] = True
    return head

"""Owns the protocol `completion`: one product of an open basket is hidden and has to be found."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from regulars.evaluation.ranking_metrics import Values, figures
from regulars.evaluation.recommend.baselines import over_popularity
from regulars.evaluation.recommend.lists import LIST_LENGTH, OURS, STORE_KNOWN, Asked, Lists, Progress
from regulars.evaluation.recommend.next_basket import NobodyToAskError, temporal_cut
from regulars.evaluation.recommend_data import Evaluated
from services.recommend.generators.basket_items import Companions, companions_of
from services.recommend.history import Bools, Floats, Ints
from services.recommend.knowledge import Knowledge, learn
from services.recommend.ranking.in_basket import BasketRanker, OpenBasket
from services.recommend.training.fitting import baskets_before
from services.recommend.training.in_basket import Hidden, fit_in_basket, hidden_products, open_baskets

COMPLETION_BASKETS = 3000
COMPLETION_PRODUCTS = 6000


def completion(data: Evaluated, progress: Progress, cut: float | None = None) -> Lists:
    """Hide a product of baskets in the four weeks after `cut` (by default the last ones of the data)."""
    dataset = data.dataset
    cut = temporal_cut(dataset) if cut is None else cut
    progress("learning what was hidden from the baskets of the four weeks before")
    judged = fit_in_basket(dataset, data.assortment, cut, ease_products=COMPLETION_PRODUCTS)
    progress("learning what goes together")
    baskets = baskets_before(dataset, cut)
    methods = _Methods(
        learn(dataset, data.assortment, cut),
        companions_of(baskets, COMPLETION_PRODUCTS),
        BasketRanker(judged.kept if judged else None),
        _head(np.asarray(baskets.sum(axis=0)).ravel()),
    )
    hidden = hidden_products(dataset, cut, methods.head, COMPLETION_BASKETS)
    if not hidden:
        raise NobodyToAskError("no basket of three products or more came after the cut")
    progress(f"completing {len(hidden):,} baskets")
    return _completed(data, methods, hidden)


def _completed(data: Evaluated, methods: "_Methods", hidden: list[Hidden]) -> Lists:
    dataset = data.dataset
    rows: dict[str, list[Values]] = {}
    asked = []
    stores = dataset.store[np.array([each.target.basket for each in hidden], np.int64)]
    for each, basket in open_baskets(dataset, hidden, methods.knowledge, methods.companions, stores):
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
    companions: Companions
    ranker: BasketRanker
    head: Bools

    def lists(self, basket: OpenBasket) -> Mapping[str, Ints]:
        month = np.asarray(self.knowledge.popularity.chain[1], np.float64)
        others = {
            "popularity": month,
            "personal_top": over_popularity(basket.history, month),
            "basket_items": basket.together,
            "formula": basket.formula,
        }
        return {
            OURS: self._ranked(basket.without_store()),
            STORE_KNOWN: self._ranked(basket),
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

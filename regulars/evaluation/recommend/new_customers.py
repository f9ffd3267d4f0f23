"""Owns judging lists for people of whom little is known: their last few baskets alone, or none at all.

As the temporal protocol asks, four weeks before its test; each history is cut to its last n baskets. Real newcomers
are rare in a closed panel and shop less than its members; those that there are, are counted apart.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import Values, figures, intervals, means, paired_differences
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.next_basket import temporal_cut
from regulars.evaluation.recommend.paid_prices import moment, offers
from services.recommend.generators import own_products
from services.recommend.generators.popular import Popularity
from services.recommend.generators.promotions import Promotions, indices_of
from services.recommend.history import Floats, History, Ints, history_of_lines
from services.recommend.knowledge import Knowledge
from services.recommend.ranking.features import Prepared, prepare
from services.recommend.ranking.rankers import Rankers, ordered
from services.recommend.ranking.shoppers import shopper_of
from services.recommend.training.dataset import Dataset
from services.recommend.training.fitting import fit_rankers
from services.recommend.training.origins import HORIZON_DAYS, knowledge_at, origin_at, training_cuts

BASKETS = (0, 1, 2, 3, 4)
FEW = 4
LIST_LENGTH = 20
IN_STORE, RANKER = "popularity_in_store", "ranker"


@dataclass(frozen=True)
class Ways:
    """What may rank for somebody new; the rankers learned on customers with full histories."""

    knowledge: Knowledge
    rankers: Rankers
    on_offer: Promotions | None = None

    def impersonal(self, store: int, visit_at: float) -> dict[str, Ints]:
        """Return the lists that are the same for everybody in a store at a moment."""
        popularity, size = self.knowledge.popularity, len(self.knowledge.assortment)
        month, here = popularity.chain[1], blended(popularity, store, size)
        scores = {"popularity": month, IN_STORE: here}
        if self.on_offer is not None:
            cheap = np.isin(np.arange(size), indices_of(self.on_offer.at(None, moment(visit_at)), self._index))
            scores |= {"offers first": month + cheap, "offers count double": here * (1 + cheap)}
        return {name: _best(values) for name, values in scores.items()}

    def personal(self, history: History, now: float, row: int | None, store: int) -> dict[str, Ints]:
        """Return the lists that follow from what the customer bought."""
        shopper, month = shopper_of(history, self.knowledge, row), self.knowledge.popularity.chain[1]
        visit = prepare(history, self.knowledge, row)
        scores = {
            "personal_top": _over(history, month),
            "tifu_knn": shopper.tifu,
            "formula": shopper.formula + 1e-6 * month,
        }
        return {
            **{name: _best(values) for name, values in scores.items()},
            RANKER: self._ranked(visit, now, -1),
            "ranker, store known": self._ranked(visit, now, store),
        }

    @cached_property
    def _index(self) -> Mapping[str, int]:
        return self.knowledge.assortment.index

    def _ranked(self, visit: Prepared, now: float, store: int) -> Ints:
        products, _ = ordered(visit.candidates, self.rankers.scores(visit, now, store))
        return products[:LIST_LENGTH]


def evaluate_new(data: Evaluated, progress: Progress = lambda _: None, before: float | None = None) -> dict[str, Any]:
    """Judge every way by the number of baskets known. Raises TooLittleDataError.

    `before` is the end of the four weeks that are looked at, by default the beginning of the test's.
    """
    dataset = data.dataset
    cut = (temporal_cut(dataset) if before is None else before) - HORIZON_DAYS
    progress("learning rankers from earlier baskets")
    rankers = fit_rankers(
        dataset, data.assortment, (origin_at(dataset, each) for each in training_cuts(dataset, cut))
    )
    test = origin_at(dataset, cut)
    ways = Ways(knowledge_at(dataset, data.assortment, test), rankers, _offers(data, cut))
    progress("ranking from the last few baskets")
    groups: dict[str, dict[str, list[Values]]] = {}
    for target in test.targets:
        store = int(dataset.store[target.basket])
        wanted = dataset.basket(target.basket)
        everybody = ways.impersonal(store, float(dataset.at[target.basket]))
        for name, history in _histories(dataset, target.customer, cut):
            row = target.customer if name == "few in truth" else None
            mine = ways.personal(history, target.now, row, store) if history.products.size else {}
            for way, products in (everybody | mine).items():
                values = figures(products, wanted, history.products)
                groups.setdefault(name, {}).setdefault(way, []).append(values)
    return {
        "data": data.name,
        "part": "new-customers",
        "groups": {name: _report(rows) for name, rows in groups.items()},
    }


def _offers(data: Evaluated, cut: float) -> Promotions | None:
    return None if data.prices is None else Promotions(offers(data.prices, moment(cut), int(HORIZON_DAYS)))


def _histories(dataset: Dataset, customer: int, cut: float) -> Iterator[tuple[str, History]]:
    """Yield the customer's last n baskets as if they were all, and the true history where it is a short one."""
    known = dataset.basket_count_before(customer, cut)
    for count in BASKETS:
        if known > count:
            yield f"last {count} baskets", last_baskets(dataset, customer, cut, count)
    if known <= FEW:
        yield "few in truth", dataset.history(customer, cut)


def last_baskets(dataset: Dataset, customer: int, cut: float, count: int) -> History:
    """Return a customer's history as if their last `count` baskets before the cut were all."""
    end = int(dataset.basket_starts[customer]) + dataset.basket_count_before(customer, cut)
    first = end - count
    sizes = dataset.sizes_of(first, end)
    return history_of_lines(
        product=dataset.product[dataset.line_starts[first] : dataset.line_starts[end]],
        at=np.repeat(dataset.at[first:end], sizes),
        ago=np.repeat(np.arange(count)[::-1], sizes),
        size=np.repeat(sizes, sizes),
        store=np.repeat(dataset.store[first:end], sizes),
        basket_at=dataset.at[first:end],
        basket_size=sizes,
        basket_store=dataset.store[first:end],
    )


def blended(popularity: Popularity, store: int, size: int) -> Floats:
    """Return the store's shares, the chain's behind them for what the store has not sold lately."""
    month = popularity.chain[1]
    shares: Floats = popularity.in_store(store, size) + 1e-3 * month
    return shares


def _over(history: History, month: Floats) -> Floats:
    scores = 1e-6 * month / max(float(month.max()), 1e-12)
    scores[history.products] += own_products.personal_top(history)
    return scores


def _best(scores: Floats) -> Ints:
    return np.argsort(-scores, kind="stable")[:LIST_LENGTH]


def _report(rows: dict[str, list[Values]]) -> dict[str, Any]:
    whole = {name: np.array(values) for name, values in rows.items()}
    ours = RANKER if RANKER in whole else IN_STORE
    others = {name: values for name, values in whole.items() if name != ours}
    return {
        "customers": int(whole[ours].shape[0]),
        "metrics": {name: means(values) for name, values in whole.items()},
        "intervals": intervals(whole[ours]),
        "differences": {"of": ours, "to": paired_differences(whole[ours], others)},
    }

"""Owns judging open sessions of nobody known: one product of a basket is hidden, the others are all there is.

Baskets of the completion protocol, without the customer, of the four weeks before the test's. The lines of a receipt
have no order: which products an open session of one or three holds is drawn, and V-SKNN's weights by position only
say that some were drawn later.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import Owners, Values, figures, intervals, means, paired_differences
from regulars.evaluation.recommend.completion import COMPLETION_BASKETS, COMPLETION_PRODUCTS
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.next_basket import temporal_cut
from services.recommend.generators.associations import associations_of
from services.recommend.generators.vsknn import with_companions
from services.recommend.history import Floats, Ints
from services.recommend.ranking.in_basket import BasketRanker, open_basket
from services.recommend.training.fitting import baskets_before, sessions_before
from services.recommend.training.in_basket import fit_in_basket, hidden_products, world_at
from services.recommend.training.origins import HORIZON_DAYS

OPEN = {"one product open": 1, "three products open": 3, "all but one open": 10_000}
LIST_LENGTH = 20
RANKER = "open-basket ranker"
Way = Callable[[Ints, float], Ints]
"""Products, best first, for what lies open at a moment."""


def evaluate_anonymous(
    data: Evaluated, progress: Progress = lambda _: None, cut: float | None = None
) -> dict[str, Any]:
    """Complete anonymous baskets of the four weeks after `cut` (by default those before the test's), way by way."""
    dataset = data.dataset
    since = temporal_cut(dataset) - HORIZON_DAYS if cut is None else cut
    progress("learning what goes together")
    counts = np.asarray(baskets_before(dataset, since).sum(axis=0)).ravel()
    allowed = np.zeros(counts.size, np.bool_)
    allowed[np.argsort(-counts, kind="stable")[:COMPLETION_PRODUCTS]] = True
    ways = _ways(data, since, counts, progress)
    progress("completing baskets")
    found: dict[str, dict[str, list[Values]]] = {name: {way: [] for way in ways} for name in OPEN}
    owners = []
    draw = np.random.default_rng(11)
    for each in hidden_products(dataset, since, allowed, COMPLETION_BASKETS):
        owners.append(each.target.customer)
        shown = draw.permutation(each.shown)
        for name, kept in OPEN.items():
            for way, ranked in ways.items():
                products = ranked(shown[-kept:], each.target.now)
                listed = products[allowed[products] & ~np.isin(products, each.shown)][:LIST_LENGTH]
                found[name][way].append(figures(listed, np.array([each.product]), np.empty(0, np.int64)))
    groups = {name: _report(rows, np.array(owners, np.int64)) for name, rows in found.items()}
    return {"data": data.name, "part": "anonymous", "groups": groups}


def _ways(data: Evaluated, since: float, counts: Floats, progress: Progress) -> dict[str, Way]:
    """Return every way to rank by what lies open; the ranker is that of known customers, asked for nobody."""
    size = counts.size
    world = world_at(data.dataset, data.assortment, since)
    progress("learning what was hidden from the baskets of the four weeks before")
    judged = fit_in_basket(world_at(data.dataset, data.assortment, since - HORIZON_DAYS))
    ranker = BasketRanker(None if judged is None else judged.kept)
    companions, sessions = world.companions, sessions_before(data.dataset, since)
    rules = associations_of(baskets_before(data.dataset, since))
    nobody = data.dataset.history(0, -np.inf)

    def ranked(shown: Ints, now: float) -> Ints:
        basket = open_basket(nobody, shown, world.knowledge, companions, None, now, -1)
        return ranker.ranked(basket, world.knowledge)[0]

    def both(shown: Ints) -> tuple[Floats, Floats]:
        return companions.scores(shown, size), sessions.scores(shown, size)

    scores: dict[str, Callable[[Ints], Floats]] = {
        "popularity": lambda _: counts,
        "basket_items": lambda shown: companions.scores(shown, size),
        "vsknn": lambda shown: sessions.scores(shown, size),
        "associations": lambda shown: rules.scores(shown, size),
        "basket_items, then vsknn": lambda shown: _then(*both(shown)),
        "basket_items + vsknn": lambda shown: with_companions(*both(shown)),
    }
    return {RANKER: ranked, **{name: _by(score) for name, score in scores.items()}}


def _by(score: Callable[[Ints], Floats]) -> Way:
    return lambda shown, _: np.argsort(-score(shown), kind="stable")


def _then(first: Floats, second: Floats) -> Floats:
    """Rank by the first, and by the second what the first knows nothing of."""
    behind = second / max(float(second.max(initial=0.0)), 1e-12)
    lowest = float(first[first > 0].min(initial=1.0))
    return np.where(first > 0, first, 0.5 * lowest * behind)


def _report(rows: dict[str, list[Values]], owners: Owners) -> dict[str, Any]:
    whole = {name: np.array(values) for name, values in rows.items()}
    others = {name: values for name, values in whole.items() if name != RANKER}
    return {
        "baskets": int(owners.size),
        "metrics": {name: means(values) for name, values in whole.items()},
        "intervals": intervals(whole[RANKER], owners),
        "differences": {"of": RANKER, "to": paired_differences(whole[RANKER], others, owners)},
    }

"""Owns judging open sessions of nobody known: one product of a basket is hidden, the others are all there is.

Baskets of the completion protocol, without the customer. The lines of a receipt have no order: which products an
open session of one or three holds is drawn, and V-SKNN's weights by position only say that some were drawn later.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import Values, figures, intervals, means, paired_differences
from regulars.evaluation.recommend.completion import COMPLETION_BASKETS, COMPLETION_PRODUCTS
from regulars.evaluation.recommend.data import Evaluated
from services.recommend.generators.associations import associations_of
from services.recommend.generators.basket_items import companions_of
from services.recommend.history import Bools, Floats, Ints
from services.recommend.training.fitting import baskets_before, sessions_before
from services.recommend.training.in_basket import hidden_products
from services.recommend.training.origins import HORIZON_DAYS

OPEN = {"one product open": 1, "three products open": 3, "all but one open": 10_000}
LIST_LENGTH = 20
Way = Callable[[Ints], Floats]


def evaluate_anonymous(
    data: Evaluated, progress: Progress = lambda _: None, cut: float | None = None
) -> dict[str, Any]:
    """Complete anonymous baskets of the last four weeks, or of those after `cut`, by each generator alone."""
    dataset = data.dataset
    since = float(np.floor(dataset.at.max())) - HORIZON_DAYS if cut is None else cut
    progress("learning what goes together")
    baskets = baskets_before(dataset, since)
    counts = np.asarray(baskets.sum(axis=0)).ravel()
    size = counts.size
    allowed = np.zeros(size, np.bool_)
    allowed[np.argsort(-counts, kind="stable")[:COMPLETION_PRODUCTS]] = True
    companions, sessions = companions_of(baskets, COMPLETION_PRODUCTS), sessions_before(dataset, since)
    rules = associations_of(baskets)
    ways: dict[str, Way] = {
        "popularity": lambda _: counts,
        "basket_items": lambda shown: companions.scores(shown, size),
        "vsknn": lambda shown: sessions.scores(shown, size),
        "associations": lambda shown: rules.scores(shown, size),
        "basket_items, then vsknn": lambda shown: _then(companions.scores(shown, size), sessions.scores(shown, size)),
    }
    progress("completing baskets")
    found: dict[str, dict[str, list[Values]]] = {name: {way: [] for way in ways} for name in OPEN}
    draw = np.random.default_rng(11)
    for each in hidden_products(dataset, since, allowed, COMPLETION_BASKETS):
        shown = draw.permutation(each.shown)
        for name, kept in OPEN.items():
            for way, score in ways.items():
                ranked = _ranked(score(shown[-kept:]), allowed, each.shown)
                found[name][way].append(figures(ranked, np.array([each.product]), np.empty(0, np.int64)))
    return {"data": data.name, "part": "anonymous", "groups": {name: _report(rows) for name, rows in found.items()}}


def _then(first: Floats, second: Floats) -> Floats:
    """Rank by the first, and by the second what the first knows nothing of."""
    behind = second / max(float(second.max(initial=0.0)), 1e-12)
    lowest = float(first[first > 0].min(initial=1.0))
    return np.where(first > 0, first, 0.5 * lowest * behind)


def _ranked(scores: Floats, allowed: Bools, shown: Ints) -> Ints:
    open_scores = np.where(allowed, scores, -1.0)
    open_scores[shown] = -1.0
    return np.argsort(-open_scores, kind="stable")[:LIST_LENGTH]


def _report(rows: dict[str, list[Values]]) -> dict[str, Any]:
    whole = {name: np.array(values) for name, values in rows.items()}
    others = {name: values for name, values in whole.items() if name != "vsknn"}
    return {
        "baskets": int(whole["vsknn"].shape[0]),
        "metrics": {name: means(values) for name, values in whole.items()},
        "intervals": intervals(whole["vsknn"]),
        "differences": {"of": "vsknn", "to": paired_differences(whole["vsknn"], others)},
    }

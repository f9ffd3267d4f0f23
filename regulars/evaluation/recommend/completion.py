"""Owns the protocol `completion`: one product of an open basket is hidden and has to be found."""

import numpy as np

from regulars.evaluation.ranking_metrics import Values, figures
from regulars.evaluation.recommend.next_basket import over_popularity, temporal_cut
from regulars.evaluation.recommend.report import LIST_LENGTH, OURS, Lists, Progress
from regulars.evaluation.recommend_data import Evaluated
from services.recommend.generators.basket_items import Companions, companions_of
from services.recommend.history import Floats, History, Ints
from services.recommend.knowledge import learn
from services.recommend.serving.recommender import basket_scores
from services.recommend.training.dataset import Dataset
from services.recommend.training.fitting import baskets_before
from services.recommend.training.origins import HORIZON_DAYS, Target

COMPLETION_BASKETS = 3000
COMPLETION_PRODUCTS = 6000
SEED = 7


def completion(data: Evaluated, progress: Progress) -> tuple[Lists, list[str]]:
    dataset, cut = data.dataset, temporal_cut(data.dataset)
    progress("learning what goes together")
    baskets = baskets_before(dataset, cut)
    companions = companions_of(baskets, COMPLETION_PRODUCTS)
    month = learn(dataset, data.assortment, cut).popularity.chain[1]
    counts = np.asarray(baskets.sum(axis=0)).ravel()
    head = np.argsort(-counts, kind="stable")[:COMPLETION_PRODUCTS]
    progress("completing baskets")
    drawn = _hidden(dataset, cut, head)
    rows: dict[str, list[Values]] = {}
    lists = []
    for target, hidden, shown in drawn:
        history = dataset.history(target.customer, target.now)
        for name, scores in _completions(companions, history, shown, month).items():
            ranked = _top_of(scores, head, shown)
            rows.setdefault(name, []).append(figures(ranked, hidden, history.products))
            if name == OURS:
                lists.append(ranked)
    users = len({target.customer for target, _, _ in drawn})
    notes = ["the customer's own history is known up to the basket; what goes together only up to the cut"]
    found = {name: np.array(values) for name, values in rows.items()}
    return Lists(found, lists, np.ones(len(drawn), np.int64), users), notes


def _completions(companions: Companions, history: History, shown: Ints, month: Floats) -> dict[str, Floats]:
    together = companions.scores(shown, month.size)
    return {
        OURS: basket_scores(together, history),
        "popularity": month,
        "personal_top": over_popularity(history, month),
        "basket_items": together,
    }


def _top_of(scores: Floats, head: Ints, shown: Ints) -> Ints:
    """Return the best of the candidate products that are not in the open basket."""
    open_products = head[~np.isin(head, shown)]
    ranked: Ints = open_products[np.argsort(-scores[open_products], kind="stable")]
    return ranked[:LIST_LENGTH]


def _hidden(dataset: Dataset, cut: float, head: Ints) -> list[tuple[Target, Ints, Ints]]:
    """Draw baskets of at least three candidate products after the cut, and the product hidden in each."""
    draw = np.random.default_rng(SEED)
    after = np.flatnonzero((dataset.at >= cut) & (dataset.at < cut + HORIZON_DAYS))
    known = {int(basket): np.intersect1d(dataset.basket(int(basket)), head) for basket in after}
    usable = np.array([basket for basket, products in known.items() if products.size >= 3], np.int64)
    chosen = np.sort(draw.permutation(usable)[:COMPLETION_BASKETS])
    owner = dataset.owner
    out = []
    for basket in chosen.tolist():
        place = int(draw.integers(known[basket].size))
        target = Target(int(owner[basket]), basket, float(dataset.at[basket]))
        out.append((target, known[basket][place : place + 1], np.delete(known[basket], place)))
    return out

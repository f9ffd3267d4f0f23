"""Owns choosing how far lists are spread: every level on the first baskets of weeks before the test's."""

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.lists import Asked
from regulars.evaluation.recommend.next_basket import RANKED_DEPTH, NobodyToAskError, temporal_cut
from regulars.evaluation.recommend.variety import levels
from services.recommend.generators.item_vectors import item_vectors
from services.recommend.ranking.candidates import candidates_of
from services.recommend.ranking.features import FEATURE_NAMES, prepared
from services.recommend.ranking.rankers import Rankers, ordered
from services.recommend.training.examples import Rows, examples_at
from services.recommend.training.fitting import baskets_before, rankers_of
from services.recommend.training.origins import (
    HORIZON_DAYS,
    Origin,
    knowledge_at,
    origin_at,
    shoppers,
    training_cuts,
)

MOMENTS = 2
"""How many times four weeks before the test's are looked at, one after the other: one alone chooses by chance."""
SEED = 7


def evaluate_spread(data: Evaluated, progress: Progress = lambda _: None, moments: int = MOMENTS) -> dict[str, Any]:
    """Spread the lists for the first baskets of earlier four weeks by every level, as serving does.

    Each moment has rankers of its own, learned from what lies before it. Raises TooLittleDataError, NobodyToAskError.
    """
    cuts = [temporal_cut(data.dataset) - HORIZON_DAYS * step for step in range(moments, 0, -1)]
    return {
        "data": data.name,
        "part": "diversity",
        "spread": {f"the four weeks from {_day(cut)}": _levels(data, cut, progress) for cut in cuts},
        "notes": ["the visit's store is not told; choose a level's weight here, never on the test"],
    }


def _levels(data: Evaluated, cut: float, progress: Progress) -> dict[str, dict[str, Any]]:
    progress(f"learning rankers from baskets before {_day(cut)}")
    rankers = _learned(data, cut)
    origin = origin_at(data.dataset, cut)
    if not origin.targets:
        raise NobodyToAskError("no customer has a basket both before and after the moment")
    progress(f"ranking for {len(origin.targets):,} customers")
    vectors = item_vectors(baskets_before(data.dataset, cut), data.assortment)
    return levels(data, _asked(data, rankers, origin), vectors)


def _learned(data: Evaluated, cut: float) -> Rankers:
    cuts = training_cuts(data.dataset, cut)
    return rankers_of([_without_store(data, origin_at(data.dataset, each)) for each in cuts], SEED)


def _without_store(data: Evaluated, origin: Origin) -> Rows:
    """Return an origin's rows without the store's columns: no second ranker is fitted."""
    rows = examples_at(data.dataset, knowledge_at(data.dataset, data.assortment, origin), origin, SEED)
    rows.features[:, len(FEATURE_NAMES) :] = np.nan
    return rows


def _asked(data: Evaluated, rankers: Rankers, origin: Origin) -> list[Asked]:
    knowledge = knowledge_at(data.dataset, data.assortment, origin)
    found = []
    for target, shopper in shoppers(data.dataset, knowledge, origin):
        visit = prepared(shopper, candidates_of(shopper, knowledge.popularity), knowledge)
        ranked, _ = ordered(visit.candidates, rankers.scores(visit, target.now, -1))
        history, wanted = shopper.history, data.dataset.basket(target.basket)
        found.append(Asked(target.customer, history.basket_count, wanted, history.products, ranked[:RANKED_DEPTH]))
    return found


def _day(cut: float) -> str:
    return f"{datetime(1970, 1, 1, tzinfo=UTC) + timedelta(days=cut):%Y-%m-%d}"

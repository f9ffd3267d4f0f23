"""Owns what each generator brings: each is switched off in turn, in training and ranking, on a validation origin.

Nothing of the test is looked at: the baskets to be predicted lie in the four weeks before the test's cut. Customers
are a seeded sample, so that it ends within minutes; the differences are paired.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import (
    METRICS,
    Values,
    figures,
    figures_of_places,
    means,
    paired_differences,
)
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.next_basket import NobodyToAskError, temporal_cut
from services.recommend.generators.switches import EVERYTHING, Generator, Switches
from services.recommend.ranking.candidates import candidates_of
from services.recommend.ranking.features import prepared
from services.recommend.ranking.rankers import ordered
from services.recommend.training.fitting import fit_rankers
from services.recommend.training.in_basket import World, fit_in_basket, world_at
from services.recommend.training.origins import (
    HORIZON_DAYS,
    Origin,
    knowledge_at,
    origin_at,
    shoppers,
    training_cuts,
)

CUSTOMERS = 1000
TRAINING_ORIGINS = 2
JUDGED_SHARE = 0.5
SEED = 7
NEXT_BASKET = (Generator.OWN_PRODUCTS, Generator.TIFU, Generator.UP_CF, Generator.USER_CF, Generator.POPULAR)
OPEN_BASKET = (
    Generator.BASKET_ITEMS,
    Generator.OWN_TRIPS,
    Generator.OWN_PRODUCTS,
    Generator.USER_CF,
    Generator.POPULAR,
)
_EVERYTHING = "everything"


@dataclass(frozen=True)
class Ablation:
    """Per protocol and generator switched off: the figures, and their difference to those with everything on."""

    data: str
    lists: Mapping[str, int]
    next_basket: Mapping[str, Mapping[str, Any]]
    open_basket: Mapping[str, Mapping[str, Any]]


def ablation(data: Evaluated, progress: Progress, customers: int = CUSTOMERS) -> Ablation:
    """Fit and rank once with everything and once without each generator. Raises TooLittleDataError."""
    cut = temporal_cut(data.dataset) - HORIZON_DAYS
    chosen = np.random.default_rng(SEED).permutation(len(data.dataset.customer_ids))[:customers]
    past = [_sampled(origin_at(data.dataset, each), chosen) for each in _cuts(data, cut)]
    test = _sampled(origin_at(data.dataset, cut), chosen)
    if not test.targets:
        raise NobodyToAskError("no customer has a basket both before and after the validation's cut")
    following = {name: _next(data, past, test, off) for name, off in _told(NEXT_BASKET, "next basket", progress)}
    world = world_at(data.dataset, data.assortment, cut)
    opened = {name: _open(world, off) for name, off in _told(OPEN_BASKET, "open basket", progress)}
    found = {name: rows for name, rows in opened.items() if rows is not None}
    counts = {"next_basket": len(test.targets), "open_basket": next(iter(found.values())).shape[0] if found else 0}
    return Ablation(data.name, counts, _compared(following), _compared(found))


def _told(generators: Sequence[Generator], what: str, progress: Progress) -> Iterator[tuple[str, Switches]]:
    total = len(generators) + 1
    progress(f"{what}, with everything (1 of {total})")
    yield _EVERYTHING, EVERYTHING
    for number, generator in enumerate(generators, start=2):
        progress(f"{what}, without {generator.value} ({number} of {total})")
        yield generator.value, EVERYTHING.without(generator)


def _cuts(data: Evaluated, cut: float) -> list[float]:
    return training_cuts(data.dataset, cut)[:TRAINING_ORIGINS]


def _sampled(origin: Origin, customers: np.ndarray[Any, Any]) -> Origin:
    wanted = set(customers.tolist())
    return replace(origin, targets=tuple(target for target in origin.targets if target.customer in wanted))


def _next(data: Evaluated, past: Sequence[Origin], test: Origin, switches: Switches) -> Values:
    rankers = fit_rankers(data.dataset, data.assortment, past, switches=switches)
    knowledge = replace(knowledge_at(data.dataset, data.assortment, test), switches=switches)
    rows = []
    for target, shopper in shoppers(data.dataset, knowledge, test):
        visit = prepared(shopper, candidates_of(shopper, knowledge.popularity), knowledge)
        products, _ = ordered(visit.candidates, rankers.scores(visit, target.now, -1))
        rows.append(figures(products, data.dataset.basket(target.basket), shopper.history.products))
    return np.array(rows)


def _open(world: World, switches: Switches) -> Values | None:
    limited = replace(world, knowledge=replace(world.knowledge, switches=switches))
    judged = fit_in_basket(limited, judged_share=JUDGED_SHARE)
    if judged is None:
        return None
    return figures_of_places(judged.places)


def _compared(rows: Mapping[str, Values]) -> dict[str, dict[str, Any]]:
    whole = rows.get(_EVERYTHING)
    if whole is None:
        return {}
    gaps = {name: paired_differences(each, {_EVERYTHING: whole})[_EVERYTHING] for name, each in rows.items()}
    return {name: {"metrics": means(each), "differences": gaps[name]} for name, each in rows.items()}


SHOWN = tuple(name for name in METRICS if name in {"recall@10", "ndcg@10_full", "hit@10", "recall_new@10", "mrr@20"})
"""What a person is shown of it."""

"""Owns what each generator brings to the next basket: the mixed list (for-you), and the new ones' (discover)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np

from regulars.evaluation.progress import Progress
from regulars.evaluation.ranking_metrics import Values, figures
from regulars.evaluation.recommend.ablation_report import AS_SERVED, Section, columns, section
from regulars.evaluation.recommend.data import Evaluated
from regulars.evaluation.recommend.next_basket import NobodyToAskError
from regulars.evaluation.recommend.paid_prices import moment, offers
from services.recommend.generators.promotions import Promotions, indices_of
from services.recommend.generators.switches import EVERYTHING, Generator, Switches
from services.recommend.history import Ints
from services.recommend.knowledge import Knowledge
from services.recommend.ranking.candidates import (
    DISCOVER_CANDIDATES,
    NEW_CANDIDATES,
    candidates_of,
    with_promoted,
)
from services.recommend.ranking.features import FEATURE_NAMES, prepared
from services.recommend.ranking.rankers import Rankers, ordered
from services.recommend.ranking.shoppers import Shopper
from services.recommend.training.examples import examples_at
from services.recommend.training.fitting import rankers_of
from services.recommend.training.origins import (
    HORIZON_DAYS,
    Origin,
    Target,
    knowledge_at,
    origin_at,
    shoppers,
    training_cuts,
)

TRAINING_ORIGINS = 2
SEED = 7
GENERATORS = (Generator.OWN_PRODUCTS, Generator.TIFU, Generator.UP_CF, Generator.USER_CF, Generator.POPULAR)
WITH_OFFERS = f"with {Generator.PROMOTIONS.value}"
_MIXED = ("recall@10", "recall@20", "ndcg@10_full", "ndcg@10_min")
_NEW = ("recall_new@10",)


@dataclass(frozen=True)
class Known:
    """An origin, cut down to some customers, and what was known there."""

    origin: Origin
    knowledge: Knowledge

    def without(self, switches: Switches) -> "Known":
        return replace(self, knowledge=replace(self.knowledge, switches=switches))


@dataclass(frozen=True)
class Ranked:
    """Figures of every target's two lists."""

    mixed: Values
    new: Values


def next_baskets(data: Evaluated, cut: float, customers: int, progress: Progress) -> list[Section]:
    """Return the sections of both lists for the first baskets after `cut`."""
    chosen = drawn(data, customers)
    progress("next basket: what was known at each moment")
    past = [known_at(data, each, chosen) for each in training_cuts(data.dataset, cut)[:TRAINING_ORIGINS]]
    test = known_at(data, cut, chosen)
    if not test.origin.targets:
        raise NobodyToAskError("no customer has a basket both before and after the validation's cut")
    rows = dict(_rows(data, past, test, progress))
    return [
        section("for-you: the next basket", {name: columns(row.mixed, _MIXED) for name, row in rows.items()}),
        section("discover: new in the next basket", {name: columns(row.new, _NEW) for name, row in rows.items()}),
    ]


def _rows(data: Evaluated, past: Sequence[Known], test: Known, progress: Progress) -> Iterator[tuple[str, Ranked]]:
    progress("next basket: as served")
    rankers = fitted(data, past)
    yield AS_SERVED, _ranked(data, test, rankers)
    if data.prices is not None:
        progress(f"next basket: {WITH_OFFERS}")
        running = Promotions(offers(data.prices, moment(test.origin.as_of), int(HORIZON_DAYS)))
        yield WITH_OFFERS, _ranked(data, test, rankers, running)
    for generator in GENERATORS:
        progress(f"next basket: without {generator.value}")
        off = EVERYTHING.without(generator)
        anew = fitted(data, [each.without(off) for each in past])
        yield f"without {generator.value}", _ranked(data, test.without(off), anew)


def drawn(data: Evaluated, customers: int) -> Ints:
    """Return the customers who are asked about and learned from."""
    found: Ints = np.random.default_rng(SEED).permutation(len(data.dataset.customer_ids))[:customers]
    return found


def known_at(data: Evaluated, cut: float, customers: Ints) -> Known:
    """Return what was known at a moment, and the baskets of these customers after it."""
    origin = origin_at(data.dataset, cut)
    wanted = set(customers.tolist())
    targets = tuple(target for target in origin.targets if target.customer in wanted)
    return Known(replace(origin, targets=targets), knowledge_at(data.dataset, data.assortment, origin))


def fitted(data: Evaluated, past: Sequence[Known]) -> Rankers:
    """Fit the ranker that is not told the store. Raises TooLittleDataError."""
    parts = [examples_at(data.dataset, each.knowledge, each.origin, SEED) for each in past]
    for part in parts:
        # The visit's store is not told here: without its columns no second ranker is fitted.
        part.features[:, len(FEATURE_NAMES) :] = np.nan
    return rankers_of(parts, SEED)


def _ranked(data: Evaluated, test: Known, rankers: Rankers, running: Promotions | None = None) -> Ranked:
    mixed: list[Values] = []
    new: list[Values] = []
    for target, shopper in shoppers(data.dataset, test.knowledge, test.origin):
        wanted, owned = data.dataset.basket(target.basket), shopper.history.products
        on_offer = _on_offer(data, running, target)
        for limit, rows in ((NEW_CANDIDATES, mixed), (DISCOVER_CANDIDATES, new)):
            products = listed(test.knowledge, rankers, shopper, target.now, limit, on_offer)
            shown = products if rows is mixed else products[~np.isin(products, owned)]
            rows.append(figures(shown, wanted, owned))
    return Ranked(np.array(mixed), np.array(new))


def listed(  # noqa: PLR0913, PLR0917 - the parts of one question
    knowledge: Knowledge, rankers: Rankers, shopper: Shopper, now: float, new_limit: int, on_offer: Ints
) -> Ints:
    """Return the candidates, the most likely first."""
    candidates = with_promoted(candidates_of(shopper, knowledge.popularity, new_limit), shopper, on_offer)
    visit = prepared(shopper, candidates, knowledge)
    return ordered(visit.candidates, rankers.scores(visit, now, -1))[0]


def _on_offer(data: Evaluated, running: Promotions | None, target: Target) -> Ints:
    """Return what was on offer on the day of the visit: a shelf knows its prices then."""
    if running is None:
        return np.empty(0, np.int64)
    visit_at = float(data.dataset.at[target.basket])
    return indices_of(running.at(None, moment(visit_at)), data.assortment.index)

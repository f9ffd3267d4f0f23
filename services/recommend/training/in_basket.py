"""Owns fitting the ranker of open baskets: a product is hidden in past ones, to be found by what was known before."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import compress
from typing import Any
from zlib import crc32

import numpy as np

from services.recommend.assortment import Assortment
from services.recommend.generators.basket_items import EASE_PRODUCTS, Companions, companions_of
from services.recommend.generators.switches import EVERYTHING, Switches
from services.recommend.history import Bools, Floats, Ints, Matrix
from services.recommend.knowledge import Knowledge, learn
from services.recommend.ranking.in_basket import (
    BASKET_FEATURE_NAMES,
    BasketRanker,
    OpenBasket,
    basket_candidates,
    basket_features,
    open_basket,
)
from services.recommend.ranking.ranker import Examples, Ranker, fit
from services.recommend.training.dataset import Dataset
from services.recommend.training.fitting import baskets_before
from services.recommend.training.holdout import metric_of
from services.recommend.training.origins import HORIZON_DAYS, Target
from shared.registry import Metric

LEAST_PRODUCTS = 3
TRAINING_BASKETS = 6000
NEGATIVES_KEPT = 0.3
JUDGED_SHARE = 0.15
"""Share of the baskets that the ranker is not shown: it is kept only if it finds more there than the formula."""
STORE_UNKNOWN_SHARE = 0.5
PARAMETERS: dict[str, Any] = {
    "num_leaves": 15,
    "learning_rate": 0.05,
    "max_bin": 255,
    "bin_construct_sample_cnt": 200_000,
    "min_data_in_leaf": 100,
    "feature_fraction": 0.5,
}
ROUNDS = 150
SEED = 7
BASKET_METRIC = "basket.hit@10"
BASKET_GAIN = f"{BASKET_METRIC}_gain"
"""What serves of a new version less what serves of the one in use, on the same baskets."""
LIST_LENGTH = 10
DEEPEST = 20
NOWHERE = 1_000_000


@dataclass(frozen=True, slots=True)
class Hidden:
    """A past basket, the product taken out of it, and what was left."""

    target: Target
    product: int
    shown: Ints


@dataclass(frozen=True, slots=True)
class Judged:
    """A fitted ranker, and the places (0 first) it and the untrained formula gave to products they had not seen.

    `in_use_places` are those of what is in use, on the same baskets; None where there is nothing to compare with.
    """

    ranker: Ranker
    places: Ints
    formula_places: Ints
    in_use_places: Ints | None = None

    @property
    def kept(self) -> Ranker | None:
        """Return the ranker if it found no less than the formula, which is to rank otherwise."""
        found, before = ((places < LIST_LENGTH).sum() for places in (self.places, self.formula_places))
        return self.ranker if found >= before else None

    @property
    def served_places(self) -> Ints:
        """The places given by what will rank: the formula, where the ranker is not kept."""
        return self.formula_places if self.kept is None else self.places

    def metrics(self) -> dict[str, Metric]:
        """Return hit@10 and the mean reciprocal rank within twenty of what will rank, beside the formula's.

        With the paired difference to what is in use, where that was judged too.
        """
        both = {"": self.served_places, "_formula": self.formula_places}
        found = {f"{BASKET_METRIC}{name}": metric_of(places < LIST_LENGTH) for name, places in both.items()}
        found |= {f"basket.mrr@20{name}": metric_of(_reciprocal(places)) for name, places in both.items()}
        if self.in_use_places is not None:
            hits, before = (places < LIST_LENGTH for places in (self.served_places, self.in_use_places))
            found[BASKET_GAIN] = metric_of(hits.astype(np.float64) - before)
        return found


@dataclass(frozen=True, slots=True)
class World:
    """What was known at a cut, from which the baskets after it are opened."""

    dataset: Dataset
    knowledge: Knowledge
    companions: Companions

    def opened(self, hidden: list[Hidden], stores: Ints) -> Iterator[tuple[Hidden, OpenBasket]]:
        """Yield each basket as it was known when it was open; `stores` says which store each is told to be in."""
        for each, store in zip(hidden, stores.tolist(), strict=True):
            target = each.target
            history = self.dataset.history(target.customer, target.now)
            parts = (history, each.shown, self.knowledge, self.companions)
            yield each, open_basket(*parts, target.customer, target.now, store)

    def stores(self, hidden: list[Hidden]) -> Ints:
        """Return the store that each basket was really in."""
        return self.dataset.store[np.array([each.target.basket for each in hidden], np.int64)]


def world_at(
    dataset: Dataset,
    assortment: Assortment,
    cut: float,
    *,
    ease_products: int = EASE_PRODUCTS,
    switches: Switches = EVERYTHING,
) -> World:
    """Learn from every basket before `cut`."""
    knowledge = replace(learn(dataset, assortment, cut), switches=switches)
    return World(dataset, knowledge, companions_of(baskets_before(dataset, cut), ease_products))


def hidden_products(dataset: Dataset, since: float, allowed: Bools, count: int, seed: int = SEED) -> list[Hidden]:
    """Draw up to `count` baskets of three allowed products or more of the four weeks from `since`, and hide one."""
    draw = np.random.default_rng(seed)
    within = np.flatnonzero((dataset.at >= since) & (dataset.at < since + HORIZON_DAYS))
    known = {int(basket): _allowed(dataset.basket(int(basket)), allowed) for basket in within}
    usable = np.array([basket for basket, products in known.items() if products.size >= LEAST_PRODUCTS], np.int64)
    owner = dataset.owner
    out = []
    for basket in np.sort(draw.permutation(usable)[:count]).tolist():
        place = int(draw.integers(known[basket].size))
        target = Target(int(owner[basket]), basket, float(dataset.at[basket]))
        out.append(Hidden(target, int(known[basket][place]), np.delete(known[basket], place)))
    return out


def fit_in_basket(world: World, *, judged_share: float = JUDGED_SHARE) -> Judged | None:
    """Fit on the four weeks after the world's cut; None where nothing came of them."""
    return exam_of(world, judged_share).passed()


@dataclass(frozen=True, slots=True)
class Exam:
    """Examples to learn from, and other baskets of the same weeks to be judged on."""

    world: World
    examples: Examples
    rest: list[Hidden]
    stores: Ints

    def passed(self) -> Judged | None:
        """Return a ranker fitted on the examples; None where nothing came of them."""
        if not self.examples.labels.any():
            return None
        return self.judged(fit(self.examples, ROUNDS, **PARAMETERS))

    def judged(self, ranker: Ranker) -> Judged:
        """Let the ranker and the formula look for what was hidden."""
        places, formula = self.places(BasketRanker(ranker), BasketRanker())
        return Judged(ranker, places, formula)

    def places(self, *rankers: BasketRanker, switches: Switches | None = None) -> list[Ints]:
        """Return the places that each gives to what was hidden; `switches` in place of the world's own."""
        knowledge = self.world.knowledge if switches is None else replace(self.world.knowledge, switches=switches)
        found: list[list[int]] = [[] for _ in rankers]
        for each, basket in replace(self.world, knowledge=knowledge).opened(self.rest, self.stores):
            for ranker, places in zip(rankers, found, strict=True):
                products, _ = ranker.ranked(basket, knowledge)
                places.append(_place(products, each.product))
        return [np.array(places, np.int64) for places in found]


def exam_of(world: World, judged_share: float = JUDGED_SHARE) -> Exam:
    """Hide products of the four weeks after the world's cut, and part the baskets into examples and the rest."""
    everything = np.ones(len(world.dataset.product_ids), np.bool_)
    hidden = hidden_products(world.dataset, world.knowledge.as_of, everything, TRAINING_BASKETS)
    draw = np.random.default_rng(SEED)
    basket_ids = [world.dataset.basket_ids[each.target.basket] for each in hidden]
    learned = np.array([not _is_judged(basket_id, judged_share) for basket_id in basket_ids], np.bool_)
    stores = np.where(draw.random(len(hidden)) < STORE_UNKNOWN_SHARE, -1, world.stores(hidden))
    shown, rest = (list(compress(hidden, chosen)) for chosen in (learned, ~learned))
    return Exam(world, _examples(world, shown, stores[learned], draw), rest, stores[~learned])


def _is_judged(basket_id: str, share: float) -> bool:
    """Say whether no ranker learns from a basket: of an earlier training's neither, so that it may be judged too."""
    return crc32(f"judged/{basket_id}".encode()) < share * 2**32


def _allowed(products: Ints, allowed: Bools) -> Ints:
    return products[allowed[products]]


def _examples(world: World, hidden: list[Hidden], stores: Ints, draw: np.random.Generator) -> Examples:
    """Return the products found among the candidates, and a sample of the others, re-weighted to stand for all."""
    features: list[Matrix] = [np.empty((0, len(BASKET_FEATURE_NAMES)), np.float32)]
    labels: list[Matrix] = [np.empty(0, np.float32)]
    weights: list[Floats] = [np.empty(0)]
    for each, basket in world.opened(hidden, stores):
        candidates = basket_candidates(basket, world.knowledge)
        found = candidates == each.product
        if not found.any():
            continue
        kept = found | (draw.random(candidates.size) < NEGATIVES_KEPT)
        features.append(basket_features(basket, candidates, world.knowledge)[kept])
        labels.append(found[kept].astype(np.float32))
        weights.append(np.where(found[kept], 1.0, 1 / NEGATIVES_KEPT))
    return Examples(np.concatenate(features), np.concatenate(labels), np.concatenate(weights), BASKET_FEATURE_NAMES)


def _place(products: Ints, wanted: int) -> int:
    found = np.flatnonzero(products == wanted)
    return int(found[0]) if found.size else NOWHERE


def _reciprocal(places: Ints) -> Floats:
    return np.where(places < DEEPEST, 1 / (places + 1.0), 0.0)

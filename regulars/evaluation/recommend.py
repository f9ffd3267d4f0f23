"""Owns the offline evaluation of recommendations: four protocols, ranked by the serving code, beside baselines."""

import math
import resource
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from regulars.evaluation.ranking_metrics import Values, figures, intervals, means, paired_differences
from regulars.evaluation.recommend_data import Evaluated
from services.recommend.generators import own_products
from services.recommend.generators.basket_items import Companions, companions_of
from services.recommend.history import Floats, History, Ints
from services.recommend.knowledge import Knowledge, learn
from services.recommend.ranking.candidates import discover_candidates, mixed_candidates
from services.recommend.ranking.features import Shopper
from services.recommend.ranking.rankers import Rankers, ordered
from services.recommend.serving.recommender import basket_scores
from services.recommend.training.dataset import Dataset
from services.recommend.training.fitting import (
    HORIZON_DAYS,
    ORIGINS,
    Origin,
    Target,
    baskets_before,
    fit_rankers,
    knowledge_at,
    origin_at,
    origin_before_last,
    shoppers,
    training_cuts,
)

LIST_LENGTH = 20
COMPLETION_BASKETS = 3000
COMPLETION_PRODUCTS = 6000
SEED = 7
Progress = Callable[[str], None]


class Protocol(StrEnum):
    LAST_BASKET = "last-basket"
    TEMPORAL = "temporal"
    COMPLETION = "completion"
    DISCOVER = "discover"


@dataclass(frozen=True)
class Report:
    """One protocol's result; `intervals` holds 95 % bootstrap intervals, also of paired differences."""

    data: str
    protocol: str
    users: int
    items: int
    mean_target_size: float
    metrics: dict[str, float]
    metrics_store_known: dict[str, float] | None
    baselines: dict[str, dict[str, float]]
    diversity: dict[str, float]
    intervals: dict[str, Any]
    notes: list[str]
    seconds: float
    peak_memory_mb: float
    last_basket: dict[str, Any] | None = None

    def to_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(frozen=True)
class _Lists:
    """Every method's figures and lists, one row per evaluated basket."""

    figures: dict[str, Values]
    ranked: list[Ints]
    target_sizes: Ints
    users: int


def evaluate(data: Evaluated, protocol: Protocol, progress: Progress = lambda _: None) -> Report:
    """Run one protocol. Raises TooLittleDataError when the receipts are too few to train on."""
    started = time.perf_counter()
    if protocol is Protocol.COMPLETION:
        lists, notes = _completion(data, progress)
    elif protocol is Protocol.LAST_BASKET:
        lists, notes = _last_basket(data, progress, new_only=False)
    else:
        lists, notes = _temporal(data, progress, new_only=protocol is Protocol.DISCOVER)
    second = _last_basket(data, progress, new_only=True)[0] if protocol is Protocol.DISCOVER else None
    return _report(data, protocol, lists, notes, started, second)


def temporal_cut(dataset: Dataset) -> float:
    """Return the start of the last 28 whole UTC days of the data."""
    return float(math.floor(dataset.at.max())) - HORIZON_DAYS


def _temporal(data: Evaluated, progress: Progress, *, new_only: bool) -> tuple[_Lists, list[str]]:
    cut = temporal_cut(data.dataset)
    past = (origin_at(data.dataset, before) for before in training_cuts(data.dataset, cut))
    notes = ["only receipts before the cut are used, besides the filter on products in >= 10 baskets of all data"]
    return _next_basket(data, origin_at(data.dataset, cut), past, progress, new_only=new_only), notes


def _last_basket(data: Evaluated, progress: Progress, *, new_only: bool) -> tuple[_Lists, list[str]]:
    past = (origin_before_last(data.dataset, back) for back in range(1, ORIGINS + 1))
    notes = [
        "as in the literature, neighbours and popularity see other customers' later baskets up to their own last"
    ]
    return _next_basket(data, origin_before_last(data.dataset), past, progress, new_only=new_only), notes


def _next_basket(
    data: Evaluated, test: Origin, past: Iterator[Origin], progress: Progress, *, new_only: bool
) -> _Lists:
    progress("learning rankers from earlier baskets")
    rankers = fit_rankers(data.dataset, data.assortment, _told(past, progress))
    progress("ranking for every customer")
    knowledge = knowledge_at(data.dataset, data.assortment, test)
    methods = _Methods(knowledge, rankers, new_only=new_only)
    rows: dict[str, list[Values]] = {}
    lists = []
    for target, shopper in shoppers(data.dataset, knowledge, test):
        ranked = methods.lists(shopper, int(data.dataset.store[target.basket]))
        wanted = data.dataset.basket(target.basket)
        for name, products in ranked.items():
            rows.setdefault(name, []).append(figures(products, wanted, shopper.history.products))
        lists.append(ranked[_OURS])
    sizes = np.array([data.dataset.sizes_of(t.basket, t.basket + 1)[0] for t in test.targets])
    return _Lists({name: np.array(values) for name, values in rows.items()}, lists, sizes, len(test.targets))


def _told(origins: Iterator[Origin], progress: Progress) -> Iterator[Origin]:
    for number, origin in enumerate(origins, start=1):
        progress(f"features of training origin {number} ({len(origin.targets)} baskets)")
        yield origin
    progress("fitting")


_OURS = "regulars"
_STORE_KNOWN = "regulars, store known"


@dataclass(frozen=True)
class _Methods:
    """Ours and the baselines, each giving LIST_LENGTH products for one customer."""

    knowledge: Knowledge
    rankers: Rankers
    new_only: bool

    def lists(self, shopper: Shopper, store: int) -> dict[str, Ints]:
        candidates = (discover_candidates if self.new_only else mixed_candidates)(shopper, self.knowledge.popularity)
        ours = {_OURS: -1, _STORE_KNOWN: store}
        ranked = {name: self._ranked(shopper, candidates, where) for name, where in ours.items()}
        baselines = {
            "popularity": self._month,
            "personal_top": _over_popularity(shopper.history, self._month),
            "tifu_knn": shopper.tifu,
        }
        return ranked | {name: self._best(scores, shopper) for name, scores in baselines.items()}

    @property
    def _month(self) -> Floats:
        month: Floats = self.knowledge.popularity.chain[1]
        return month

    def _ranked(self, shopper: Shopper, candidates: Ints, store: int) -> Ints:
        scores = self.rankers.scores(shopper, candidates, self.knowledge, store)
        products, _ = ordered(candidates, scores)
        if self.new_only:
            products = products[~np.isin(products, shopper.history.products)]
        return products[:LIST_LENGTH]

    def _best(self, scores: Floats, shopper: Shopper) -> Ints:
        if self.new_only:
            scores = scores.copy()
            scores[shopper.history.products] = -1.0
        return np.argsort(-scores, kind="stable")[:LIST_LENGTH]


def _over_popularity(history: History, popularity: Floats) -> Floats:
    """Return GP-Top: own frequency first, popularity for the rest."""
    scores = popularity / max(float(popularity.max()), 1e-12) * 1e-6
    scores[history.products] += own_products.personal_top(history)
    return scores


def _completion(data: Evaluated, progress: Progress) -> tuple[_Lists, list[str]]:
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
            if name == _OURS:
                lists.append(ranked)
    users = len({target.customer for target, _, _ in drawn})
    notes = ["the customer's own history is known up to the basket; what goes together only up to the cut"]
    found = {name: np.array(values) for name, values in rows.items()}
    return _Lists(found, lists, np.ones(len(drawn), np.int64), users), notes


def _completions(companions: Companions, history: History, shown: Ints, month: Floats) -> dict[str, Floats]:
    together = companions.scores(shown, month.size)
    return {
        _OURS: basket_scores(together, history),
        "popularity": month,
        "personal_top": _over_popularity(history, month),
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


def _report(  # noqa: PLR0913, PLR0917 - the parts of one report
    data: Evaluated, protocol: Protocol, lists: _Lists, notes: list[str], started: float, second: _Lists | None
) -> Report:
    ours = lists.figures[_OURS]
    known = lists.figures.get(_STORE_KNOWN)
    others = {name: rows for name, rows in lists.figures.items() if name not in {_OURS, _STORE_KNOWN}}
    spread = {"metrics": intervals(ours), "differences": paired_differences(ours, others)}
    if known is not None:
        spread["metrics_store_known"] = intervals(known)
        spread["store_known_difference"] = paired_differences(known, {"strict": ours})["strict"]
    return Report(
        data=data.name,
        protocol=protocol.value,
        users=lists.users,
        items=len(data.dataset.product_ids),
        mean_target_size=float(lists.target_sizes.mean()),
        metrics=means(ours),
        metrics_store_known=means(known) if known is not None else None,
        baselines={name: means(rows) for name, rows in others.items()},
        diversity=_diversity(data, lists.ranked),
        intervals=spread,
        notes=notes,
        seconds=round(time.perf_counter() - started, 1),
        peak_memory_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        last_basket=_short(second) if second else None,
    )


def _short(lists: _Lists) -> dict[str, Any]:
    names = {name: means(rows) for name, rows in lists.figures.items()}
    ours, known = names.pop(_OURS), names.pop(_STORE_KNOWN)
    return {"users": lists.users, "metrics": ours, "metrics_store_known": known, "baselines": names}


def _diversity(data: Evaluated, ranked: list[Ints]) -> dict[str, float]:
    """Return coverage, and the share of pairs within a top ten that are of different product types."""
    top = [products[:10] for products in ranked]
    shown = np.unique(np.concatenate(top))
    return {
        "catalogue_coverage@10": shown.size / len(data.dataset.product_ids),
        "different_types@10": float(np.mean([_different(data.assortment.level("product_type")[p]) for p in top])),
    }


def _different(types: Ints) -> float:
    if types.size < 2:
        return 1.0
    same = (types[:, None] == types[None, :]) & (types[:, None] >= 0)
    pairs = types.size * (types.size - 1)
    return 1.0 - (int(same.sum()) - int((types >= 0).sum())) / pairs

"""Owns the ranker's features: one function, the same for training and for a request, as of a moment.

A row describes one candidate product for one customer. `prepare` does what depends on what was bought and on what
was learned, and may be kept until either changes; `features_at` adds what depends on the moment and the visit's
store. Nothing here reads a clock, a database or a later purchase.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from services.recommend.assortment import LEVELS
from services.recommend.generators.popular import Popularity
from services.recommend.generators.sized import hit_value
from services.recommend.history import Floats, History, Ints, Matrix
from services.recommend.knowledge import Knowledge
from services.recommend.ranking import visits
from services.recommend.ranking.candidates import NEW_CANDIDATES, candidates_of
from services.recommend.ranking.groups import RHYTHM, Groups, groups_of, rhythm
from services.recommend.ranking.shoppers import Shopper, shopper_of

NEVER_DAYS = 1000.0
_KEPT = ("product", *LEVELS)
_SCORES = ("tifu", "upcf", "own_value", "crowd_value", "formula")
_CUSTOMER = ("baskets", "mean_size", "recent_size", "gap_days", "distinct_ratio")
_PRODUCT = (
    "pop_7",
    "pop_28",
    "pop_84",
    "pop_store",
    "rise",
    "buyers",
    "repeat_rate",
    "per_buyer",
    "gap_days",
    "rebuy_rate",
    "momentum",
    "price",
)
_OF_GROUP = (*visits.DECAYS, *RHYTHM)
_SHARED = _OF_GROUP.index("worth_120")
FIXED_NAMES = (
    *(f"{level}.{name}" for level in _KEPT for name in _OF_GROUP),
    *(f"{level}.product_share" for level in LEVELS),
    *(f"score.{name}{kind}" for name in _SCORES for kind in ("", ".rank", ".share")),
    *(f"product.all.{name}" for name in _PRODUCT),
    *(f"customer.{name}" for name in _CUSTOMER),
)
_MOMENT_OF_GROUP = ("ago_days", "due_days")
_ALIKE_LEVELS = slice(3)
_AT_SUCH = (*visits.ALIKE[:-1], "worth")
_MOMENT_NAMES = (
    *(f"{level}.{name}" for name in _MOMENT_OF_GROUP for level in _KEPT),
    *(f"{level}.at_such_{name}" for name in _AT_SUCH for level in _KEPT[_ALIKE_LEVELS]),
    "customer.silence_days",
    "customer.silence_ratio",
)
FEATURE_NAMES = (*FIXED_NAMES, *_MOMENT_NAMES)
_IN_STORE = ("rate", "worth", "bought")
STORE_NAMES = (
    "store.pop",
    "store.lift",
    "store.visits_share",
    *(f"store.{level}.{name}" for name in _IN_STORE for level in _KEPT),
    "store.own_share",
)


@dataclass(frozen=True, slots=True)
class Prepared:
    """A customer's candidates with all that holds until the next purchase or the next knowledge.

    `fixed` holds a float32 row of FIXED_NAMES for each candidate; `places` is levels x candidates into the groups.
    """

    candidates: Ints
    history: History
    fixed: Matrix
    formula: Matrix
    groups: Groups
    places: Ints
    last_at: Floats
    gap_days: Floats
    count: Floats
    popularity: Popularity


def prepare(history: History, knowledge: Knowledge, own_row: int | None, new_limit: int = NEW_CANDIDATES) -> Prepared:
    """Run the generators and choose candidates, own products first; `own_row` is the customer's profile row."""
    shopper = shopper_of(history, knowledge, own_row)
    return prepared(shopper, candidates_of(shopper, knowledge.popularity, new_limit), knowledge)


def prepared(shopper: Shopper, candidates: Ints, knowledge: Knowledge) -> Prepared:
    """Describe these candidates as far as it does not depend on the moment."""
    history, keys = shopper.history, knowledge.assortment.keys
    groups = groups_of(history, keys)
    places = groups.places(keys[:, candidates])
    table, last_at = _group_table(history, groups)
    found = table[places]
    worth = found[:, :, _SHARED]
    columns: list[Floats | Matrix] = [
        found.transpose(1, 0, 2).reshape(candidates.size, -1),
        (worth[0] / np.maximum(worth[1:], 1e-12)).T,
        _score_columns(shopper, candidates),
        _product_columns(history, candidates, knowledge),
        np.broadcast_to(_customer_row(history), (candidates.size, len(_CUSTOMER))),
    ]
    return Prepared(
        candidates=candidates,
        history=history,
        fixed=_side_by_side(columns),
        formula=shopper.formula[candidates],
        groups=groups,
        places=places,
        last_at=last_at[places],
        gap_days=found[:, :, _OF_GROUP.index("gap_days")],
        count=found[:, :, _OF_GROUP.index("count")],
        popularity=knowledge.popularity,
    )


def features_at(prepared: Prepared, now: float, store: int = -1) -> Matrix:
    """Return a float32 row per candidate as of `now` (days): FEATURE_NAMES, and STORE_NAMES if a store is given."""
    parts: list[Floats | Matrix] = [prepared.fixed, *_moment_columns(prepared, now)]
    if store >= 0:
        parts += _store_columns(prepared, store)
    return _side_by_side(parts)


def _side_by_side(parts: Sequence[Floats | Matrix]) -> Matrix:
    rows: Matrix = np.concatenate(parts, axis=1, dtype=np.float32, casting="same_kind")
    return rows


def _group_table(history: History, groups: Groups) -> tuple[Floats, Floats]:
    """Return (groups + 1 rows of _OF_GROUP, each group's last time)."""
    rhythms, last_at = rhythm(history, groups)
    if not groups.size:
        return np.concatenate((np.zeros((1, len(visits.DECAYS))), rhythms), axis=1), last_at
    weights, totals = visits.decayed(history)
    return np.concatenate((groups.sums(weights) / np.maximum(totals, 1e-9), rhythms), axis=1), last_at


def _moment_columns(prepared: Prepared, now: float) -> list[Floats]:
    age = now - prepared.last_at
    due = np.where(prepared.count > 1, age / np.maximum(prepared.gap_days, 0.5), 0.0)
    size = prepared.candidates.size
    return [
        np.minimum(age, NEVER_DAYS).T,
        due.T,
        *_alike_columns(prepared, now),
        np.broadcast_to(_silence(prepared.history, now), (size, 2)),
    ]


def _alike_columns(prepared: Prepared, now: float) -> list[Floats]:
    """Return how often, and for how much worth, visits like one now held the product, its type, its category."""
    history, places = prepared.history, prepared.places[_ALIKE_LEVELS]
    if not history.basket_at.size:
        return [np.zeros((places.shape[1], places.shape[0] * len(_AT_SUCH)))]
    shares = visits.alike(history, now)
    shares[:, -1] *= hit_value(history.basket_size)
    return _by_level(prepared, shares, places)


def _store_columns(prepared: Prepared, store: int) -> list[Floats]:
    """Return STORE_NAMES: what the store sells, and what the customer buys there."""
    history, candidates, popularity = prepared.history, prepared.candidates, prepared.popularity
    size = candidates.size
    sold = popularity.shares_in(store, candidates)
    chain = _padded(popularity.chain[2], candidates)
    here = (history.basket_store == store).astype(np.float64)
    visits_share = np.full(size, here.mean() if here.size else 0.0)
    first = np.stack((sold, sold / np.maximum(chain, 1e-7), visits_share), axis=1)
    if not here.size:
        return [first, np.zeros((size, len(STORE_NAMES) - 3))]
    rate = visits.in_store(history, store)
    by_visit = np.stack((rate, rate * hit_value(history.basket_size), here), axis=1)
    columns = _by_level(prepared, by_visit, prepared.places)
    own_share = columns[2][:, 0] / np.maximum(prepared.count[0], 1)
    return [first, *columns, own_share[:, None]]


def _by_level(prepared: Prepared, by_visit: Floats, places: Ints) -> list[Floats]:
    """Return per column of a visits x columns table the sums over each candidate's groups: candidates x levels."""
    sums = prepared.groups.sums(by_visit)
    return [sums[:, column][places].T for column in range(by_visit.shape[1])]


def _score_columns(shopper: Shopper, candidates: Ints) -> Matrix:
    scores = np.stack([getattr(shopper, name)[candidates] for name in _SCORES])
    order = np.argsort(-scores, axis=1, kind="stable")
    ranks = np.empty(scores.shape, np.float32)
    np.put_along_axis(ranks, order, np.arange(candidates.size, dtype=np.float32)[None, :], axis=1)
    shares = scores / np.maximum(scores.max(axis=1, initial=0.0), 1e-12)[:, None]
    return np.stack((scores, ranks, shares), axis=2).transpose(1, 0, 2).reshape(candidates.size, -1)


def _product_columns(history: History, candidates: Ints, knowledge: Knowledge) -> Floats:
    popularity, habits = knowledge.popularity, knowledge.habits
    week, month, season = (_padded(shares, candidates) for shares in popularity.chain)
    learned = (
        habits.buyers,
        habits.repeat_rate,
        habits.purchases_per_buyer,
        habits.usual_gap_days,
        habits.rebuy_rate,
        habits.momentum,
    )
    columns = (
        week,
        month,
        season,
        popularity.shares_in(history.usual_store, candidates),
        week / np.maximum(month, 1e-7),
        *(_padded(values, candidates) for values in learned),
        knowledge.assortment.price_minor[candidates],
    )
    return np.stack(columns, axis=1)


def _customer_row(history: History) -> Floats:
    if not history.basket_at.size:
        return np.zeros(len(_CUSTOMER))
    sizes = history.basket_size
    kept = max(sizes.sum(), 1)
    row = (history.basket_count, sizes.mean(), sizes[-5:].mean(), _mean_gap(history), history.products.size / kept)
    return np.array(row)


def _silence(history: History, now: float) -> Floats:
    if not history.basket_at.size:
        return np.array([NEVER_DAYS, 0.0])
    silence = now - history.basket_at[-1]
    return np.array([silence, silence / max(_mean_gap(history), 0.5)])


def _mean_gap(history: History) -> float:
    return float(history.basket_at[-1] - history.basket_at[0]) / max(history.basket_at.size - 1, 1)


def _padded(values: Floats, candidates: Ints) -> Floats:
    """Products that came after the learning have no figures yet."""
    known = candidates < values.size
    if known.all():
        return values[candidates]
    return np.where(known, values[np.where(known, candidates, 0)], 0.0)

"""Owns the ranker's features: one function, the same for training and for a request, as of a moment.

A row describes one candidate product for one customer. Nothing here reads a clock, a database or a later purchase:
`Shopper` holds the history before `now`, `Knowledge` what was learned from everybody before its own moment.
"""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from services.recommend.assortment import LEVELS
from services.recommend.domain.purchases import KEPT_BASKETS
from services.recommend.generators import sized, tifu, upcf
from services.recommend.generators.neighbours import dense
from services.recommend.generators.switches import EVERYTHING, Generator, Switches
from services.recommend.history import Floats, History, Ints, Matrix
from services.recommend.knowledge import Knowledge

BASKET_FADES = (0.8, 0.9, 0.95, 0.98)
DAY_HALF_LIVES = (15.0, 45.0, 120.0)
NEVER_DAYS = 1000.0
NEVER_BASKETS = 1000.0
_SCORES = ("tifu", "upcf", "own_value", "crowd_value", "formula")
_LEVEL_NAMES = (
    *(f"fade_{fade}" for fade in BASKET_FADES),
    *(f"days_{half:g}" for half in DAY_HALF_LIVES),
    *(f"worth_{half:g}" for half in DAY_HALF_LIVES),
    "worth_fade_0.9",
    "count",
    "basket_share",
    "ago_baskets",
    "ago_days",
    "gap_baskets",
    "gap_days",
    "due_baskets",
    "due_days",
    "last_gap_days",
)
_CUSTOMER = ("baskets", "mean_size", "recent_size", "gap_days", "silence_days", "silence_ratio", "distinct_ratio")
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
    "price",
)
STORE_NAMES = ("store_pop", "store_lift", "store_own_share", "store_visits_share", "store_worth", "store_bought")
FEATURE_NAMES = (
    *(f"product.{name}" for name in _LEVEL_NAMES),
    *(f"{level}.{name}" for level in LEVELS for name in _LEVEL_NAMES),
    *(f"{level}.product_share" for level in LEVELS),
    *(f"score.{name}{kind}" for name in _SCORES for kind in ("", ".rank", ".share")),
    *(f"product.all.{name}" for name in _PRODUCT),
    *(f"customer.{name}" for name in _CUSTOMER),
)


@dataclass(frozen=True, slots=True)
class Shopper:
    """A customer at a moment: history, and every generator's score for every product."""

    history: History
    now: float
    tifu: Floats
    upcf: Floats
    own_value: Floats
    crowd_value: Floats
    switches: Switches = EVERYTHING

    @property
    def formula(self) -> Floats:
        return self.own_value + sized.CROWD_SHARE * self.crowd_value

    def without(self, switches: Switches) -> "Shopper":
        """Return the shopper with what is switched off at zero; own products that are off are no candidates."""
        fields = {Generator.TIFU: "tifu", Generator.UP_CF: "upcf", Generator.USER_CF: "crowd_value"}
        nothing = np.zeros(self.own_value.size)
        silent: dict[str, Any] = {name: nothing for generator, name in fields.items() if not switches.has(generator)}
        return replace(self, switches=switches, **silent)


def shopper_of(
    history: History, knowledge: Knowledge, own_row: int | None, now: float, product_count: int
) -> Shopper:
    """Run the personal generators; `own_row` is the customer's profile row, kept out of the neighbours."""
    own = sized.vector_of(history, now)
    whole = Shopper(
        history=history,
        now=now,
        tifu=tifu.scores(knowledge.tifu, tifu.vector_of(history), own_row, product_count),
        upcf=upcf.scores(knowledge.upcf, upcf.vector_of(history), own_row, product_count),
        own_value=dense(own, product_count),
        crowd_value=sized.crowd_scores(knowledge.sized, own, own_row, product_count),
    )
    return whole.without(knowledge.switches) if knowledge.switches.off else whole


def candidate_features(shopper: Shopper, candidates: Ints, knowledge: Knowledge) -> Matrix:
    """Return a float32 row of FEATURE_NAMES for each candidate."""
    history, assortment = shopper.history, knowledge.assortment
    weighed = _weighed(shopper)
    product = _level_columns(shopper, weighed, history.product, candidates)
    levels = [
        _level_columns(shopper, weighed, codes[history.product], codes[candidates]) for codes in assortment.levels
    ]
    own_worth = product[:, _WORTH]
    shares = [own_worth / np.maximum(level[:, _WORTH], 1e-12) for level in levels]
    columns = [
        product,
        *levels,
        np.stack(shares, axis=1),
        _score_columns(shopper, candidates),
        _product_columns(shopper, candidates, knowledge),
        np.broadcast_to(_customer_row(shopper), (candidates.size, len(_CUSTOMER))),
    ]
    return np.concatenate(columns, axis=1).astype(np.float32)


def store_features(shopper: Shopper, candidates: Ints, knowledge: Knowledge, store: int) -> Matrix:
    """Return a float32 row of STORE_NAMES for each candidate: what the visit's store adds when it is known."""
    history, size = shopper.history, shopper.own_value.size
    here = history.store == store
    worth = sized.hit_value(history.size) * 0.5 ** ((shopper.now - history.at) / sized.HALF_LIFE_DAYS)
    bought = np.bincount(history.product, here, minlength=size)[candidates]
    kept = np.bincount(history.product, minlength=size)[candidates]
    in_store = knowledge.popularity.in_store(store, size)[candidates]
    chain = _padded(knowledge.popularity.chain[2], size)[candidates]
    visits = float((history.basket_store == store).mean()) if history.basket_store.size else 0.0
    columns = (
        in_store,
        in_store / np.maximum(chain, 1e-7),
        bought / np.maximum(kept, 1),
        np.full(candidates.size, visits),
        np.bincount(history.product, worth * here, minlength=size)[candidates],
        bought,
    )
    return np.stack(columns, axis=1).astype(np.float32)


_WORTH = _LEVEL_NAMES.index("worth_120")


@dataclass(frozen=True, slots=True)
class _Weighed:
    """Each purchase's weights under every decay, and the same decays' sums over the customer's baskets."""

    by_purchase: Floats
    per_basket: Floats


def _weighed(shopper: Shopper) -> _Weighed:
    history = shopper.history
    age, visit_age = shopper.now - history.at, shopper.now - history.basket_at
    value = sized.hit_value(history.size)
    by_day = [0.5 ** (age / half) for half in DAY_HALF_LIVES]
    by_basket = [powers[history.ago] for powers in _FADED]
    parts = [*by_basket, *by_day, *(part * value for part in by_day), by_basket[1] * value, np.ones(age.size)]
    visits = [float((0.5 ** (visit_age / half)).sum()) for half in DAY_HALF_LIVES]
    trips = [float(powers[: visit_age.size].sum()) for powers in _FADED]
    sums = np.array([*trips, *visits, *visits, trips[1], 1.0])
    return _Weighed(np.stack(parts, axis=1), np.maximum(sums, 1e-9))


def _level_columns(shopper: Shopper, weighed: _Weighed, keys: Ints, wanted: Ints) -> Floats:
    """Return _LEVEL_NAMES for each wanted key, from purchases grouped by `keys` (-1: no key), one per basket."""
    out = np.zeros((wanted.size, len(_LEVEL_NAMES)))
    out[:, _NEVER] = _NEVER_VALUES
    history = shopper.history
    known = np.flatnonzero(keys >= 0)
    if not known.size:
        return out
    # Newest first within a key; several products of one key in one basket are one purchase of it.
    code, first = np.unique(keys[known] * _BASKET_SPAN + history.ago[known], return_index=True)
    rows, owners = known[first], code // _BASKET_SPAN
    starts = np.flatnonzero(np.diff(owners, prepend=-1))
    table = _level_table(shopper, weighed, rows, starts)
    found = np.searchsorted(owners[starts], wanted)
    found[found == starts.size] = 0
    hit = owners[starts][found] == wanted
    out[hit] = table[found[hit]]
    return out


_FADED = [fade ** np.arange(KEPT_BASKETS + 1) for fade in BASKET_FADES]
_BASKET_SPAN = 1 << 12
_NEVER = [_LEVEL_NAMES.index("ago_baskets"), _LEVEL_NAMES.index("ago_days")]
_NEVER_VALUES = [NEVER_BASKETS, NEVER_DAYS]


def _level_table(shopper: Shopper, weighed: _Weighed, rows: Ints, starts: Ints) -> Floats:
    """Return _LEVEL_NAMES per key; `rows` are purchases newest first within each key."""
    history = shopper.history
    ago, age = history.ago[rows], shopper.now - history.at[rows]
    sums = np.add.reduceat(weighed.by_purchase[rows], starts, axis=0)
    ends = np.append(starts[1:], rows.size) - 1
    gaps = np.maximum(sums[:, -1] - 1, 0)
    gap_baskets, gap_days = (
        np.where(gaps > 0, (values[ends] - values[starts]) / np.maximum(gaps, 1), 0.0) for values in (ago, age)
    )
    second = np.minimum(starts + 1, ends)
    tail = (
        sums[:, -1] / max(history.basket_count, 1),
        ago[starts],
        age[starts],
        gap_baskets,
        gap_days,
        ago[starts] / np.maximum(gap_baskets, 0.5) * (gaps > 0),
        age[starts] / np.maximum(gap_days, 0.5) * (gaps > 0),
        age[second] - age[starts],
    )
    # Divided by the decayed number of baskets the sums are rates, whatever the customer's shopping rhythm.
    return np.concatenate([sums / weighed.per_basket, np.stack(tail, axis=1)], axis=1)


def _score_columns(shopper: Shopper, candidates: Ints) -> Floats:
    columns = []
    for name in _SCORES:
        score = getattr(shopper, name)[candidates]
        order = np.argsort(-score, kind="stable")
        rank = np.empty(score.size)
        rank[order] = np.arange(score.size)
        columns += [score, rank, score / max(float(score.max(initial=0.0)), 1e-12)]
    return np.stack(columns, axis=1)


def _product_columns(shopper: Shopper, candidates: Ints, knowledge: Knowledge) -> Floats:
    size = shopper.own_value.size
    chain = [_padded(shares, size)[candidates] for shares in knowledge.popularity.chain]
    store = knowledge.popularity.in_store(shopper.history.usual_store, size)[candidates]
    habits = knowledge.habits
    learned = (habits.buyers, habits.repeat_rate, habits.purchases_per_buyer, habits.usual_gap_days)
    columns = (
        *chain,
        store,
        chain[0] / np.maximum(chain[1], 1e-7),
        *(_padded(values, size)[candidates] for values in learned),
        knowledge.assortment.price_minor[candidates],
    )
    return np.stack(columns, axis=1)


def _customer_row(shopper: Shopper) -> Floats:
    history = shopper.history
    if not history.basket_at.size:
        return np.array([0, 0, 0, 0, NEVER_DAYS, 0, 0], np.float64)
    silence = shopper.now - history.basket_at[-1]
    gap = (history.basket_at[-1] - history.basket_at[0]) / max(history.basket_at.size - 1, 1)
    kept = max(history.basket_size.sum(), 1)
    return np.array(
        [
            history.basket_count,
            history.basket_size.mean(),
            history.basket_size[-5:].mean(),
            gap,
            silence,
            silence / max(gap, 0.5),
            history.products.size / kept,
        ]
    )


def _padded(values: Floats, size: int) -> Floats:
    """Products that came after the learning have no figures yet."""
    padded: Floats = values if values.size >= size else np.pad(values, (0, size - values.size))
    return padded

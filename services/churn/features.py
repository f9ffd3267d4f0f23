"""Owns the features: one function of the visits before a day, used by training and by serving alike."""

from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from services.churn.labels import own_limit_days
from services.churn.visits import Bools, Floats, Ints, Visits

Numbers: TypeAlias = Floats | Ints

FEATURES_VERSION = "features-1"
HISTORY_DAYS = 364
WEEKS = 16
WINDOWS_DAYS = (7, 14, 28, 56, 112)
HABIT_VISITS = 3
HABIT_DAYS = 140
RECENT_DAYS = 28

FAMILIES = ("silence", "visits", "spend", "categories", "basket", "discounts", "habits", "rhythm")
# Every column, with the family in which its contribution is told. Only windowed or rhythm columns: what
# merely grows with time (tenure, lifetime totals) drifts and adds nothing (measured: AUC within .0005).
COLUMNS: dict[str, str] = {
    "silence_days": "silence",
    "silence_to_median_gap": "silence",
    "silence_to_p90_gap": "silence",
    "limit_days_left": "silence",
    **{f"visits_{days}d": "visits" for days in WINDOWS_DAYS},
    "visit_pace_14_to_56": "visits",
    "visit_pace_28_to_112": "visits",
    "visit_pace_56_to_112": "visits",
    "weeks_active_4": "visits",
    "weeks_active_8": "visits",
    "weeks_active_16": "visits",
    "visits_slope": "visits",
    "visits_variation": "visits",
    **{f"spend_{days}d_minor": "spend" for days in WINDOWS_DAYS},
    "spend_pace_14_to_56": "spend",
    "spend_pace_28_to_112": "spend",
    "spend_pace_56_to_112": "spend",
    "spend_slope": "spend",
    "spend_variation": "spend",
    "spend_per_week_max_minor": "spend",
    "categories_28d": "categories",
    "categories_56d": "categories",
    "categories_112d": "categories",
    "category_pace_28_to_112": "categories",
    "categories_per_visit_112d": "categories",
    "habits": "categories",
    "habits_lost": "categories",
    "habits_lost_share": "categories",
    "spend_per_visit_28d_minor": "basket",
    "spend_per_visit_112d_minor": "basket",
    "basket_pace_28_to_112": "basket",
    "items_per_visit_28d": "basket",
    "items_per_visit_112d": "basket",
    "spend_per_item_112d_minor": "basket",
    "last_basket_to_usual": "basket",
    "discount_share_28d": "discounts",
    "discount_share_112d": "discounts",
    "discount_share_change": "discounts",
    "coupon_share_112d": "discounts",
    "coupon_visits_28d": "discounts",
    "coupon_visits_112d": "discounts",
    "weekend_share_112d": "habits",
    "weekend_share_change": "habits",
    "hour_mean_112d": "habits",
    "hour_change": "habits",
    "main_store_share_28d": "habits",
    "main_store_share_112d": "habits",
    "main_store_share_change": "habits",
    "stores_112d": "habits",
    "gap_mean_days": "rhythm",
    "gap_median_days": "rhythm",
    "gap_p90_days": "rhythm",
    "gap_sd_days": "rhythm",
    "gap_variation": "rhythm",
    "gap_last_days": "rhythm",
    "gap_last3_mean_days": "rhythm",
    "gap_last3_to_mean": "rhythm",
    "gap_last3_max_days": "rhythm",
    "gaps_over_14d_share": "rhythm",
    "limit_days": "rhythm",
}
NAMES = tuple(COLUMNS)


@dataclass(frozen=True)
class Features:
    """One row per customer, columns `NAMES` (float64; NaN where undefined), as of the start of `day`.

    `gaps` is how many gaps between visits are known, `visited` whether there was any visit in the last
    364 days; both decide states and are not features.
    """

    day: int
    values: Floats
    gaps: Ints
    visited: Bools

    def column(self, name: str) -> Floats:
        return self.values[:, NAMES.index(name)]


def features(visits: Visits, day: int, *, weekday_of_day_zero: int = 6) -> Features:
    """Compute every column from the visits in [day - 364, day).

    `weekday_of_day_zero`: Monday is 0; the public data's day 0 is a Sunday.
    """
    past = visits.where((visits.day < day) & (visits.day >= day - HISTORY_DAYS))
    rhythm, gaps = _rhythm(past)
    sums = _Sums(past, day)
    columns = (
        rhythm
        | _silence(past, day, rhythm)
        | _pace(sums)
        | _weekly(past, day)
        | _categories(past, day, sums)
        | _basket(past, sums)
        | _discounts(sums)
        | _when_and_where(past, day, weekday_of_day_zero)
    )
    visited = np.bincount(past.customer, minlength=past.customers) > 0
    values = np.column_stack([columns[name] for name in NAMES]).astype(np.float64)
    values[~visited] = np.nan
    return Features(day, values, gaps, visited)


class _Sums:
    """Totals per customer over the trailing windows, each computed once."""

    def __init__(self, past: Visits, day: int) -> None:
        self._past = past
        self._age = day - past.day
        self._known: dict[tuple[str, int], Floats] = {}

    def of(self, name: str, days: int) -> Floats:
        """Sum of the visits' column `name` in the last `days` days; `visits` counts them."""
        if (name, days) not in self._known:
            inside = self._age <= days
            weights = None if name == "visits" else self._weights(name)[inside]
            total = np.bincount(self._past.customer[inside], weights, self._past.customers)
            self._known[name, days] = total.astype(np.float64)
        return self._known[name, days]

    def _weights(self, name: str) -> Ints:
        if name == "coupon_visits":
            return (self._past.coupon_minor > 0).astype(np.int64)
        column: Ints = getattr(self._past, name)
        return column


def ratio(top: Numbers, bottom: Numbers) -> Floats:
    """Divide; NaN where `bottom` is 0."""
    out: Floats = np.full(bottom.shape, np.nan)
    np.divide(top, bottom, out=out, where=bottom != 0)
    return out


def _rhythm(past: Visits) -> tuple[dict[str, Floats], Ints]:
    same = past.customer[1:] == past.customer[:-1]
    gap = np.diff(past.day)[same].astype(np.float64)
    owner = past.customer[1:][same]
    count = np.bincount(owner, minlength=past.customers)
    mean = ratio(np.bincount(owner, gap, past.customers), count)
    square = ratio(np.bincount(owner, gap**2, past.customers), count)
    deviation = np.sqrt(np.maximum(square - mean**2, 0.0))
    by_size = gap[np.lexsort((gap, owner))]
    p90 = _quantile(by_size, count, 0.9)
    last = _last_gaps(gap, count, 3)
    with np.errstate(invalid="ignore"):
        last3 = np.where(count > 0, np.nansum(last, axis=0) / np.maximum(np.minimum(count, 3), 1), np.nan)
    longest = np.fmax(np.fmax(last[0], last[1]), last[2])
    over = np.bincount(owner, gap > 14, past.customers)
    columns = {
        "gap_mean_days": mean,
        "gap_median_days": _quantile(by_size, count, 0.5),
        "gap_p90_days": p90,
        "gap_sd_days": deviation,
        "gap_variation": ratio(deviation, mean),
        "gap_last_days": last[0],
        "gap_last3_mean_days": last3,
        "gap_last3_to_mean": ratio(last3, mean),
        "gap_last3_max_days": longest,
        "gaps_over_14d_share": ratio(over, count),
        "limit_days": own_limit_days(p90, count.astype(np.float64)),
    }
    return columns, count


def _quantile(ordered: Floats, count: Ints, share: float) -> Floats:
    """Linear-interpolated quantile of each customer's values, which lie one after another in order of size."""
    if not len(ordered):
        return np.full(len(count), np.nan)
    # The position within a customer's own values, so that the fraction does not depend on who comes before.
    within = share * np.maximum(count - 1, 0)
    below = np.floor(within).astype(np.int64)
    start = np.cumsum(count) - count
    low = np.minimum(start + below, len(ordered) - 1)
    high = np.minimum(start + np.ceil(within).astype(np.int64), len(ordered) - 1)
    value = ordered[low] + (within - below) * (ordered[high] - ordered[low])
    return np.where(count > 0, value, np.nan)


def _last_gaps(gap: Floats, count: Ints, wanted: int) -> Floats:
    """Shape (wanted, customers): the last gap, the one before it, and so on; NaN where there is none."""
    end = np.cumsum(count)
    out = np.full((wanted, len(count)), np.nan)
    for back in range(wanted):
        has = count > back
        out[back, has] = gap[end[has] - 1 - back]
    return out


def _silence(past: Visits, day: int, rhythm: dict[str, Floats]) -> dict[str, Floats]:
    last = np.full(past.customers, np.nan)
    last[past.customer] = past.day  # ordered by day: the last assignment wins
    silence = day - last
    return {
        "silence_days": silence,
        "silence_to_median_gap": ratio(silence, rhythm["gap_median_days"]),
        "silence_to_p90_gap": ratio(silence, rhythm["gap_p90_days"]),
        "limit_days_left": rhythm["limit_days"] - silence,
    }


def _pace(sums: _Sums) -> dict[str, Floats]:
    columns = {f"visits_{days}d": sums.of("visits", days) for days in WINDOWS_DAYS}
    columns |= {f"spend_{days}d_minor": sums.of("spend_minor", days) for days in WINDOWS_DAYS}
    for short, long in ((14, 56), (28, 112), (56, 112)):
        columns[f"visit_pace_{short}_to_{long}"] = _pace_ratio(sums, "visits", short, long)
        columns[f"spend_pace_{short}_to_{long}"] = _pace_ratio(sums, "spend_minor", short, long)
    return columns


def _pace_ratio(sums: _Sums, name: str, short: int, long: int) -> Floats:
    return ratio(sums.of(name, short) / short, sums.of(name, long) / long)


def _weekly(past: Visits, day: int) -> dict[str, Floats]:
    week = (day - 1 - past.day) // 7  # 0 is the week that just ended
    inside = week < WEEKS
    cell = past.customer[inside] * WEEKS + week[inside]
    size = past.customers * WEEKS
    visits = np.bincount(cell, minlength=size).reshape(-1, WEEKS).astype(np.float64)
    spend = np.bincount(cell, past.spend_minor[inside], size).reshape(-1, WEEKS).astype(np.float64)
    active = visits > 0
    return {
        **{f"weeks_active_{weeks}": active[:, :weeks].sum(axis=1).astype(np.float64) for weeks in (4, 8, 16)},
        "visits_slope": _slope(visits),
        "visits_variation": ratio(visits.std(axis=1), visits.mean(axis=1)),
        "spend_slope": _slope(spend),
        "spend_variation": ratio(spend.std(axis=1), spend.mean(axis=1)),
        "spend_per_week_max_minor": spend.max(axis=1),
    }


def _slope(weekly: Floats) -> Floats:
    """Least-squares change per week, as a share of the mean week; negative when falling."""
    time = -np.arange(WEEKS, dtype=np.float64)
    time -= time.mean()
    # Row by row, not as a matrix product, whose last digit depends on how many rows there are.
    slope = (weekly * time).sum(axis=1) / (time**2).sum()
    return ratio(slope, weekly.mean(axis=1))


def _categories(past: Visits, day: int, sums: _Sums) -> dict[str, Floats]:
    owner = past.customer[past.category_visit]
    age = day - past.day[past.category_visit]
    seen = {days: _distinct(owner, past.category, age <= days, past.customers) for days in (28, 56, 112)}
    per_visit = np.bincount(owner[age <= 112], minlength=past.customers)
    habits, lost = _habits(owner, past.category, age, past.customers)
    return {
        **{f"categories_{days}d": count for days, count in seen.items()},
        "category_pace_28_to_112": ratio(seen[28], seen[112]),
        "categories_per_visit_112d": ratio(per_visit, sums.of("visits", 112)),
        "habits": habits,
        "habits_lost": lost,
        "habits_lost_share": ratio(lost, habits),
    }


def _distinct(owner: Ints, category: Ints, inside: Bools, customers: int) -> Floats:
    span = _span(category)
    pairs = np.unique(owner[inside] * span + category[inside])
    return np.bincount(pairs // span, minlength=customers).astype(np.float64)


def _habits(owner: Ints, category: Ints, age: Ints, customers: int) -> tuple[Floats, Floats]:
    """Categories bought on at least three days of the 20 weeks before the last four, and those not since."""
    span = _span(category)
    before = (age > RECENT_DAYS) & (age <= RECENT_DAYS + HABIT_DAYS)
    pairs, days = np.unique(owner[before] * span + category[before], return_counts=True)
    habits = pairs[days >= HABIT_VISITS]
    recent = np.unique((owner * span + category)[age <= RECENT_DAYS])
    lost = habits[~np.isin(habits, recent, assume_unique=True)]
    count = np.bincount(habits // span, minlength=customers).astype(np.float64)
    return count, np.bincount(lost // span, minlength=customers).astype(np.float64)


def _span(codes: Ints) -> int:
    return int(codes.max(initial=0)) + 1


def _basket(past: Visits, sums: _Sums) -> dict[str, Floats]:
    visits_28, visits_112 = sums.of("visits", 28), sums.of("visits", 112)
    recent = ratio(sums.of("spend_minor", 28), visits_28)
    usual = ratio(sums.of("spend_minor", 112), visits_112)
    last = np.full(past.customers, np.nan)
    last[past.customer] = past.spend_minor
    return {
        "spend_per_visit_28d_minor": recent,
        "spend_per_visit_112d_minor": usual,
        "basket_pace_28_to_112": ratio(recent, usual),
        "items_per_visit_28d": ratio(sums.of("items", 28), visits_28),
        "items_per_visit_112d": ratio(sums.of("items", 112), visits_112),
        "spend_per_item_112d_minor": ratio(sums.of("spend_minor", 112), sums.of("items", 112)),
        "last_basket_to_usual": ratio(last, usual),
    }


def _discounts(sums: _Sums) -> dict[str, Floats]:
    recent, usual = (_share_of_price(sums, "discount_minor", days) for days in (28, 112))
    return {
        "discount_share_28d": recent,
        "discount_share_112d": usual,
        "discount_share_change": recent - usual,
        "coupon_share_112d": _share_of_price(sums, "coupon_minor", 112),
        "coupon_visits_28d": sums.of("coupon_visits", 28),
        "coupon_visits_112d": sums.of("coupon_visits", 112),
    }


def _share_of_price(sums: _Sums, name: str, days: int) -> Floats:
    return ratio(sums.of(name, days), sums.of("spend_minor", days) + sums.of("discount_minor", days))


def _when_and_where(past: Visits, day: int, weekday_of_day_zero: int) -> dict[str, Floats]:
    age = day - past.day
    usual, recent = age <= 112, age <= 28
    weekend = ((past.day + weekday_of_day_zero) % 7 >= 5).astype(np.float64)
    at_main = (past.store == main_store(past, usual)[past.customer]).astype(np.float64)
    stores = _distinct(past.customer, past.store + 1, usual, past.customers)
    weekends, mains, hours = (
        (_mean(past, recent, value), _mean(past, usual, value))
        for value in (weekend, at_main, past.hour.astype(np.float64))
    )
    return {
        "weekend_share_112d": weekends[1],
        "weekend_share_change": weekends[0] - weekends[1],
        "hour_mean_112d": hours[1],
        "hour_change": hours[0] - hours[1],
        "main_store_share_28d": mains[0],
        "main_store_share_112d": mains[1],
        "main_store_share_change": mains[0] - mains[1],
        "stores_112d": stores,
    }


def _mean(past: Visits, inside: Bools, value: Floats) -> Floats:
    owner = past.customer[inside]
    return ratio(np.bincount(owner, value[inside], past.customers), np.bincount(owner, minlength=past.customers))


def main_store(past: Visits, inside: Bools) -> Ints:
    """Find the store of most visits (of equals the lowest code); -2, which is no store, without a visit."""
    span = _span(past.store + 1)
    pairs, visits = np.unique(past.customer[inside] * span + past.store[inside] + 1, return_counts=True)
    order = np.lexsort((-pairs, visits))  # the last assignment wins: most visits, then the lowest code
    main = np.full(past.customers, -2, dtype=np.int64)
    main[pairs[order] // span] = pairs[order] % span - 1
    return main

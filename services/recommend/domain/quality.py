"""Owns how good the lists of a day were: against the next basket, among themselves, and against earlier weeks."""

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from itertools import combinations
from statistics import NormalDist, fmean, median, quantiles, variance

TOP = 10
NEW_RECEIPTS = 5
"""A customer with fewer receipts than this is new."""
RECENT_DAYS = 7
EARLIER_DAYS = 28
RECENT_LEAST, EARLIER_LEAST = 5, 14
ALERT_CONFIDENCE = 0.999
"""Some fifty figures are looked at every day: at 95 % more than one would cry wolf each time."""
TOLERANCE = 0.05
"""A change by less than this share of what was usual is nobody's concern, however sure it is."""

GROUPS = ("all", "heavy", "light", "new", "anonymous")
FALLING = ("hit_rate", "ndcg@10_min", "click_through", "coverage", "diversity")
RISING = ("fallback_share", "empty_share", "latency_p95_ms", "shelf_age_s")
OF_PURCHASES = frozenset({"hit_rate", "ndcg@10_min"})
"""Figures that need the days after a list: judged only once these are over."""


@dataclass(frozen=True, slots=True)
class Judged:
    """A list that was shown, and the products of the customer's next basket; None where none came in time."""

    product_ids: Sequence[str]
    fallback_level: int
    next_basket: frozenset[str] | None = None
    receipts_before: int | None = None
    was_clicked: bool = False
    took_ms: float | None = None
    shelf_age_s: float | None = None
    model_age_days: float | None = None


@dataclass(frozen=True, slots=True)
class Assorted:
    """What is known of products as of a day: each one's type, its share of all purchases, how many may be shown."""

    types: Mapping[str, str]
    shares: Mapping[str, float]
    recommendable: int


@dataclass(frozen=True, slots=True)
class Day:
    """The figures of one day; `is_final` once the last next basket can have come."""

    day: date
    figures: Mapping[str, float]
    is_final: bool = True


@dataclass(frozen=True, slots=True)
class Alert:
    """A figure that got worse: `usual` over the earlier weeks, `now` over the last, and the change's interval."""

    figure: str
    usual: float
    now: float
    low: float
    high: float

    @property
    def change(self) -> float:
        return self.now - self.usual


def grouped(lists: Sequence[Judged]) -> dict[str, list[Judged]]:
    """Return the lists by group of customer; heavy buyers have as many receipts as the day's median, or more.

    New customers, and lists for nobody known, are groups of their own and do not count for the median.
    """
    known = [each.receipts_before for each in lists if each.receipts_before is not None]
    settled = [receipts for receipts in known if receipts >= NEW_RECEIPTS]
    middle = median(settled) if settled else 0
    found: dict[str, list[Judged]] = {"all": list(lists)}
    for each in lists:
        found.setdefault(_group_of(each.receipts_before, middle), []).append(each)
    return found


def _group_of(receipts: int | None, middle: float) -> str:
    if receipts is None:
        return "anonymous"
    if receipts < NEW_RECEIPTS:
        return "new"
    return "heavy" if receipts >= middle else "light"


def figures_of(lists: Sequence[Judged], assorted: Assorted) -> dict[str, float]:
    """Return what can be said of a day's lists; a figure that nothing is known of is left out."""
    followed = [each for each in lists if each.next_basket is not None and each.product_ids]
    shown = {product_id for each in lists for product_id in each.product_ids}
    found = {
        "lists": float(len(lists)),
        "judged": float(len(followed)),
        "hit_rate": _mean(float(is_hit(each)) for each in followed),
        "ndcg@10_min": _mean(ndcg(each.product_ids, each.next_basket or frozenset()) for each in followed),
        "click_through": _mean(float(each.was_clicked) for each in lists),
        "coverage": len(shown) / assorted.recommendable if assorted.recommendable else None,
        "novelty_bits": _mean(novelty(each.product_ids, assorted.shares) for each in lists),
        "diversity": _mean(diversity(each.product_ids, assorted.types) for each in lists),
        "fallback_share": _mean(float(each.fallback_level > 0) for each in lists),
        "empty_share": _mean(float(not each.product_ids) for each in lists),
        "shelf_age_s": _mean(each.shelf_age_s for each in lists),
        "model_age_days": _mean(each.model_age_days for each in lists),
    }
    took = [each.took_ms for each in lists if each.took_ms is not None]
    return {name: value for name, value in found.items() if value is not None} | _latency(took)


def is_hit(each: Judged) -> bool:
    return bool(each.next_basket and each.next_basket.intersection(each.product_ids))


def ndcg(product_ids: Sequence[str], basket: Collection[str]) -> float:
    """Return NDCG@10 against a basket; the ideal list holds min(10, basket) of its products."""
    gains = [1 / math.log2(rank + 2) for rank in range(TOP)]
    ideal = sum(gains[: len(basket)])
    found = sum(gain for gain, product_id in zip(gains, product_ids, strict=False) if product_id in basket)
    return found / ideal if ideal else 0.0


def diversity(product_ids: Sequence[str], types: Mapping[str, str]) -> float | None:
    """Return the share of pairs of the top ten that are of different types; one of no known type is like no other."""
    kinds = [types.get(product_id, product_id) for product_id in product_ids[:TOP]]
    return _mean(float(one != other) for one, other in combinations(kinds, 2))


def novelty(product_ids: Sequence[str], shares: Mapping[str, float]) -> float | None:
    """Return the mean of -log2(share of purchases), as if one never bought had half the rarest one's share."""
    if not shares or not product_ids:
        return None
    rarest = min(shares.values()) / 2
    return fmean(-math.log2(shares.get(product_id, rarest)) for product_id in product_ids[:TOP])


def _latency(took_ms: Sequence[float]) -> dict[str, float]:
    if len(took_ms) < 2:
        return {f"latency_p{percent}_ms": took_ms[0] for percent in (50, 95, 99)} if took_ms else {}
    cuts = quantiles(took_ms, n=100, method="inclusive")
    return {f"latency_p{percent}_ms": cuts[percent - 1] for percent in (50, 95, 99)}


def _mean(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return fmean(known) if known else None


def alerts_of(days: Sequence[Day], today: date) -> list[Alert]:
    """Return which figures of the last seven days are worse than those of the four weeks before, and surely so.

    Days are compared, whole weeks on both sides, since customers of one day resemble each other. Figures of purchases
    look at final days only, so the last seven of these lie further back.
    """
    found = (_alert(name, days, today, rises=name in RISING) for name in (*FALLING, *RISING))
    return [alert for alert in found if alert is not None]


def _alert(name: str, days: Sequence[Day], today: date, *, rises: bool) -> Alert | None:
    usable = [each for each in days if name in each.figures and (each.is_final or name not in OF_PURCHASES)]
    ended = [each.day for each in usable if each.day < today]
    if not ended:
        return None
    since = max(ended) - timedelta(days=RECENT_DAYS - 1)
    recent = [each.figures[name] for each in usable if since <= each.day < today]
    start = since - timedelta(days=EARLIER_DAYS)
    earlier = [each.figures[name] for each in usable if start <= each.day < since]
    if len(recent) < RECENT_LEAST or len(earlier) < EARLIER_LEAST:
        return None
    usual, now = fmean(earlier), fmean(recent)
    half = _half_width(recent, earlier)
    low, high = now - usual - half, now - usual + half
    is_worse = low > 0 if rises else high < 0
    matters = abs(now - usual) >= TOLERANCE * abs(usual)
    return Alert(name, usual, now, low, high) if is_worse and matters else None


def _half_width(one: Sequence[float], other: Sequence[float]) -> float:
    """Return half of the interval of a difference of means (Welch)."""
    parts = [variance(values) / len(values) for values in (one, other)]
    total = sum(parts)
    if not total:
        return 0.0
    spread = sum(part**2 / (len(values) - 1) for part, values in zip(parts, (one, other), strict=True))
    return t_quantile(0.5 + ALERT_CONFIDENCE / 2, total**2 / spread) * math.sqrt(total)


def t_quantile(probability: float, freedom: float) -> float:
    """Return a quantile of Student's distribution by Hill's series around the normal (1970); good from 4 upwards."""
    z = NormalDist().inv_cdf(probability)
    terms = (
        (z**3 + z) / 4,
        (5 * z**5 + 16 * z**3 + 3 * z) / 96,
        (3 * z**7 + 19 * z**5 + 17 * z**3 - 15 * z) / 384,
        (79 * z**9 + 776 * z**7 + 1482 * z**5 - 1920 * z**3 - 945 * z) / 92_160,
    )
    return z + sum(term / freedom**power for power, term in enumerate(terms, start=1))
